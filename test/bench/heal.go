package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	healBudget = 500 * time.Millisecond
	healRounds = 10
)

// measureHeal changes and deletes live objects in turns, and gives the time from
// the API server's answer until the desired state is seen again.
func (r *round) measureHeal(ctx context.Context) (figure, error) {
	var times []time.Duration
	for i := range r.bench.bed.size(healRounds, 2) {
		number := r.bench.objects/2 + i
		name, want := objectName(number), r.state.revisions[number]
		before, err := r.upToDate(ctx, name)
		if err != nil {
			return figure{}, err
		}
		if err := r.harm(ctx, number, i%2 == 0); err != nil {
			return figure{}, err
		}
		harmed := time.Now()
		// The harm itself has another content, so this is a later write.
		seen, err := r.observer.until(ctx, "a healed object", func(live map[string]sighting) bool {
			return live[name].revision == want && live[name].version != before
		})
		if err != nil {
			return figure{}, err
		}
		times = append(times, seen.Sub(harmed))
	}
	return newFigure("agent.drift.heal", milliseconds(median(times)), "ms").within(milliseconds(healBudget)), nil
}

// upToDate gives the object's resource version once the observer has seen it.
func (r *round) upToDate(ctx context.Context, name string) (version string, err error) {
	object, err := r.bench.plane.client.CoreV1().ConfigMaps(r.state.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	_, err = r.observer.until(ctx, "an object as it is", func(live map[string]sighting) bool {
		return live[name].version == object.ResourceVersion
	})
	return object.ResourceVersion, err
}

func (r *round) harm(ctx context.Context, number int, change bool) error {
	maps := r.bench.plane.client.CoreV1().ConfigMaps(r.state.namespace)
	if !change {
		return maps.Delete(ctx, objectName(number), metav1.DeleteOptions{})
	}
	patch := fmt.Appendf(nil, `{"data":{%q:"by hand"}}`, revisionKey)
	_, err := maps.Patch(ctx, objectName(number), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "by-hand"})
	return err
}
