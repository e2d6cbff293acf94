package renderer

import (
	"context"
	"runtime"
	"sync"

	"branchline.dev/branchline/schemas"
)

// renderedCluster is a plan with the objects of its layers.
type renderedCluster struct {
	*plan
	objects [][]*object // of each layer
}

// renderClusters renders the packs of all clusters, several clusters at a time.
// The result has the order of the plans.
func renderClusters(ctx context.Context, plans []*plan) ([]*renderedCluster, schemas.Problems) {
	rendered := make([]*renderedCluster, len(plans))
	found := make([]schemas.Problems, len(plans))
	var workers sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, p := range plans {
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			rendered[i], found[i] = p.render(ctx)
		})
	}
	workers.Wait()
	return rendered, gather(plans, found)
}

// render renders the packs of one cluster and puts their objects in order.
func (p *plan) render(ctx context.Context) (*renderedCluster, schemas.Problems) {
	result := &renderedCluster{plan: p, objects: make([][]*object, len(p.layers))}
	var all []*object
	var problems schemas.Problems
	for i, l := range p.layers {
		if l.values == nil {
			continue
		}
		objects, found := l.render(ctx, p.kubernetesVersion)
		problems = append(problems, found...)
		result.objects[i] = objects
		if all = append(all, objects...); len(all) > maxObjects {
			return nil, append(problems, p.doc.YAML.Problem(nil, "the cluster has more than %d objects", maxObjects))
		}
	}
	if len(problems) > 0 || p.partial {
		return nil, problems
	}
	scopes := newScopeTable(all)
	for i, l := range p.layers {
		objects, found := l.finish(ctx, result.objects[i], scopes)
		problems = append(problems, found...)
		result.objects[i] = objects
	}
	if problems = append(problems, result.checkUnique()...); len(problems) == 0 {
		problems = result.checkSize()
	}
	return result, problems
}

// render gives the objects of a layer as its pack renders them.
func (l *layer) render(ctx context.Context, kubernetesVersion string) ([]*object, schemas.Problems) {
	objects, problems := l.renderPack(ctx, kubernetesVersion)
	if len(problems) > 0 {
		return nil, problems
	}
	objects, problems = expand(objects, 0)
	for _, o := range objects {
		problems = append(problems, o.check()...)
	}
	infrastructure := l.Kind == schemas.LayerOS || l.Kind == schemas.LayerKubernetes
	if len(objects) == 0 && len(problems) == 0 && !infrastructure {
		problems = append(problems, l.problem([]any{"pack"}, "the pack %s renders no object with these values; switch something on, or remove the layer %q", l.pack.id, l.Name))
	}
	return objects, problems
}

func (l *layer) renderPack(ctx context.Context, kubernetesVersion string) ([]*object, schemas.Problems) {
	switch l.pack.format {
	case formatChart:
		return renderChart(ctx, l, kubernetesVersion)
	case formatKustomize:
		return renderKustomize(ctx, l)
	case formatManifests:
		return renderManifests(ctx, l)
	}
	return nil, nil
}

// finish fills in namespaces, before the patches so that these can select by
// them, and after, since a patch may take one away; and it drops what is not
// desired state.
func (l *layer) finish(ctx context.Context, objects []*object, scopes scopeTable) ([]*object, schemas.Problems) {
	for _, o := range objects {
		o.clean()
		o.place(scopes, l.targetNamespace())
	}
	if problems := uniqueIn(objects); len(problems) > 0 {
		return nil, problems
	}
	objects, problems := l.patch(ctx, objects)
	for _, o := range objects {
		problems = append(problems, o.check()...)
		if len(problems) == 0 {
			o.clean()
			o.place(scopes, l.targetNamespace())
			problems = append(problems, o.checkReserved()...)
			problems = append(problems, o.encode()...)
		}
	}
	return objects, problems
}

// uniqueIn refuses two objects of one identity in a layer.
func uniqueIn(objects []*object) schemas.Problems {
	first := map[string]*object{}
	var problems schemas.Problems
	for _, o := range objects {
		if other := first[o.identity()]; other != nil {
			problems = append(problems, o.problem("the %s is rendered twice by the layer (also from %s); remove one", o.title(), other.from))
			continue
		}
		first[o.identity()] = o
	}
	return problems
}

// checkUnique refuses two objects of one identity in two layers, which would
// overwrite each other for ever.
func (r *renderedCluster) checkUnique() schemas.Problems {
	type owner struct {
		layer  *layer
		object *object
	}
	first := map[string]owner{}
	var problems schemas.Problems
	for i, l := range r.layers {
		for _, o := range r.objects[i] {
			other, seen := first[o.identity()]
			switch {
			case !seen:
				first[o.identity()] = owner{l, o}
			case other.layer != l:
				problems = append(problems, o.problem("the %s is in two layers, %q and %q (there from %s); remove one",
					o.title(), l.Name, other.layer.Name, other.object.from))
			default:
				problems = append(problems, o.problem("the %s is twice in the layer %q after its patches; remove one", o.title(), l.Name))
			}
		}
	}
	return problems
}

// checkSize holds the cluster to the limit on its objects' bytes.
func (r *renderedCluster) checkSize() schemas.Problems {
	total := 0
	for _, objects := range r.objects {
		for _, o := range objects {
			total += len(o.data)
		}
	}
	if total > maxClusterBytes {
		return schemas.Problems{r.doc.YAML.Problem(nil, "the cluster's objects are %d bytes, more than the %d allowed", total, maxClusterBytes)}
	}
	return nil
}
