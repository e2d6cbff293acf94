package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// rawWorkers is how many requests are under way at once. More do not make it
// faster on two cores.
const rawWorkers = 32

// rawApply is the baseline of applying: the same objects by parallel server-side
// apply, with nothing around it, timed like the agent.
func (p *plane) rawApply(ctx context.Context, namespace, revision string, count int) (took time.Duration, err error) {
	bodies, err := rawBodies(count, revision)
	if err != nil {
		return 0, err
	}
	observer, err := observe(ctx, p.client, namespace)
	if err != nil {
		return 0, err
	}
	defer observer.stop()
	maps, force := p.client.CoreV1().ConfigMaps(namespace), true
	started := time.Now()
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(rawWorkers + 1)
	var seen time.Time
	group.Go(func() (err error) {
		seen, err = observer.until(sending, "objects applied by the baseline", allAt(count, revision))
		return err
	})
	for i, body := range bodies {
		group.Go(func() error {
			_, err := maps.Patch(sending, objectName(i), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "bench", Force: &force})
			return err
		})
	}
	err = group.Wait()
	return seen.Sub(started), err
}

func rawBodies(count int, revision string) ([][]byte, error) {
	bodies := make([][]byte, count)
	for i := range bodies {
		text, err := objectText(i, revision)
		if err != nil {
			return nil, err
		}
		if bodies[i], err = yaml.YAMLToJSON(text); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}
