package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// observer sees the ConfigMaps of a namespace change, independently of whoever
// changes them: what is timed ends when it is seen here.
type observer struct {
	maps  typedcorev1.ConfigMapInterface
	watch watch.Interface
	live  map[string]sighting // by name; what is not there has none
}

// sighting is one object as it was last seen.
type sighting struct {
	revision string // of its content
	version  string // resource version: another one is another write
}

func sight(object *corev1.ConfigMap) sighting {
	return sighting{object.Data[revisionKey], object.ResourceVersion}
}

func observe(ctx context.Context, client kubernetes.Interface, namespace string) (*observer, error) {
	o := &observer{maps: client.CoreV1().ConfigMaps(namespace)}
	return o, o.open(ctx)
}

// open begins to watch, or begins again: the API server ends the watch of a
// client that cannot keep up.
func (o *observer) open(ctx context.Context) error {
	list, err := o.maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("observe ConfigMaps: %w", err)
	}
	o.live = map[string]sighting{}
	for i := range list.Items {
		o.live[list.Items[i].Name] = sight(&list.Items[i])
	}
	if o.watch, err = o.maps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion}); err != nil {
		return fmt.Errorf("observe ConfigMaps: %w", err)
	}
	return nil
}

// until follows changes until done says that they are those waited for, and gives
// the time when that was seen.
func (o *observer) until(ctx context.Context, what string, done func(live map[string]sighting) bool) (time.Time, error) {
	limited, cancel := context.WithTimeoutCause(ctx, awaitLimit, fmt.Errorf("waited %s for %s", awaitLimit, what))
	defer cancel()
	for !done(o.live) {
		select {
		case <-limited.Done():
			return time.Time{}, context.Cause(limited)
		case event, open := <-o.watch.ResultChan():
			if err := o.take(ctx, event, open); err != nil {
				return time.Time{}, err
			}
		}
	}
	return time.Now(), nil
}

func (o *observer) take(ctx context.Context, event watch.Event, open bool) error {
	object, ok := event.Object.(*corev1.ConfigMap)
	switch {
	case !open || !ok: // it ended, or its last event says that it will
		o.stop()
		return o.open(ctx)
	case event.Type == watch.Deleted:
		delete(o.live, object.Name)
	default:
		o.live[object.Name] = sight(object)
	}
	return nil
}

// allAt is whether count objects have the revision. It counts anew only when as
// many exist.
func allAt(count int, revision string) func(map[string]sighting) bool {
	return func(live map[string]sighting) bool {
		if len(live) < count {
			return false
		}
		at := 0
		for _, s := range live {
			if s.revision == revision {
				at++
			}
		}
		return at >= count
	}
}

func oneAt(name, revision string) func(map[string]sighting) bool {
	return func(live map[string]sighting) bool { return live[name].revision == revision }
}

func (o *observer) stop() {
	if o.watch != nil {
		o.watch.Stop()
	}
}
