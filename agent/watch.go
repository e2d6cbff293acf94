package agent

import (
	"context"
	"log/slog"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"branchline.dev/branchline/schemas"
)

// watcher keeps one watch open for each kind that the agent owns objects of.
// It asks for every object with an owner label, also another cluster's, so that
// a foreign owner is seen before something is applied over its object.
type watcher struct {
	life    context.Context // of all watches
	client  dynamic.Interface
	live    *live
	log     *slog.Logger
	running map[schema.GroupKind]runningWatch
}

type runningWatch struct {
	resource schema.GroupVersionResource
	stop     context.CancelFunc
}

func newWatcher(life context.Context, client dynamic.Interface, live *live, log *slog.Logger) *watcher {
	return &watcher{life: life, client: client, live: live, log: log, running: map[schema.GroupKind]runningWatch{}}
}

// follow starts the watches that are missing and ends those without use.
func (w *watcher) follow(wanted map[schema.GroupKind]schema.GroupVersionResource) {
	for kind, current := range w.running {
		if resource, still := wanted[kind]; !still || resource != current.resource {
			current.stop()
			delete(w.running, kind)
			w.live.forget(kind)
		}
	}
	for kind, resource := range wanted {
		if _, runs := w.running[kind]; runs {
			continue
		}
		ctx, stop := context.WithCancel(w.life)
		w.running[kind] = runningWatch{resource: resource, stop: stop}
		go w.watch(ctx, kind, resource)
	}
}

func (w *watcher) watch(ctx context.Context, kind schema.GroupKind, resource schema.GroupVersionResource) {
	w.log.Debug("watch started", "kind", kind.String(), "resource", resource.String())
	client := w.client.Resource(resource)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = schemas.OwnerLabel
			return client.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = schemas.OwnerLabel
			return client.Watch(ctx, options)
		},
	}
	store := &kindStore{ctx: ctx, kind: kind, live: w.live}
	cache.NewReflectorWithOptions(source, &unstructured.Unstructured{}, store,
		cache.ReflectorOptions{Name: kind.String()}).RunWithContext(ctx)
}

// kindStore turns the objects that a reflector reads into records.
type kindStore struct {
	ctx  context.Context // of the watch: once it ended, what still arrives is void
	kind schema.GroupKind
	live *live
}

func (s *kindStore) id(object *unstructured.Unstructured) objectID {
	return objectID{s.kind.Group, s.kind.Kind, object.GetNamespace(), object.GetName()}
}

// Add is part of cache.ReflectorStore.
func (s *kindStore) Add(item any) error {
	object, ok := item.(*unstructured.Unstructured)
	if ok && s.ctx.Err() == nil {
		s.live.put(s.id(object), newRecord(object))
	}
	return nil
}

// Update is part of cache.ReflectorStore.
func (s *kindStore) Update(item any) error { return s.Add(item) }

// Delete is part of cache.ReflectorStore.
func (s *kindStore) Delete(item any) error {
	object, ok := item.(*unstructured.Unstructured)
	if ok && s.ctx.Err() == nil {
		s.live.remove(s.id(object), parseVersion(object.GetResourceVersion()))
	}
	return nil
}

// Replace is part of cache.ReflectorStore.
func (s *kindStore) Replace(items []any, version string) error {
	if s.ctx.Err() != nil {
		return nil
	}
	listed := make(map[objectID]record, len(items))
	for _, item := range items {
		if object, ok := item.(*unstructured.Unstructured); ok {
			listed[s.id(object)] = newRecord(object)
		}
	}
	s.live.replace(s.kind, listed, parseVersion(version))
	return nil
}

// Resync is part of cache.ReflectorStore; there is nothing to do.
func (s *kindStore) Resync() error { return nil }
