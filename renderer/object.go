package renderer

import (
	"cmp"
	"fmt"
	"strings"

	"branchline.dev/branchline/schemas"
)

// object is one rendered Kubernetes object and the place in the pack that it
// comes from.
type object struct {
	fields map[string]any
	from   schemas.Position
	data   []byte // the canonical form, once encode has made it
}

func (o *object) apiVersion() string { s, _ := o.fields["apiVersion"].(string); return s }
func (o *object) group() string      { return groupOf(o.apiVersion()) }
func (o *object) kind() string       { s, _ := o.fields["kind"].(string); return s }
func (o *object) name() string       { s, _ := o.metadata()["name"].(string); return s }
func (o *object) namespace() string  { s, _ := o.metadata()["namespace"].(string); return s }

func (o *object) metadata() map[string]any {
	m, _ := o.fields["metadata"].(map[string]any)
	return m
}

// identity is what may exist only once in a cluster: versions of one kind are
// views of the same object.
func (o *object) identity() string {
	return strings.Join([]string{o.group(), o.kind(), o.namespace(), o.name()}, "/")
}

// title names the object in messages.
func (o *object) title() string {
	if o.namespace() == "" {
		return fmt.Sprintf("%s %s", cmp.Or(o.kind(), "object"), o.name())
	}
	return fmt.Sprintf("%s %s/%s", o.kind(), o.namespace(), o.name())
}

func (o *object) problem(format string, args ...any) schemas.Problem {
	return schemas.Problem{Position: o.from, Message: fmt.Sprintf(format, args...)}
}

// expand replaces lists (kind List, DeploymentList, …) by their items.
func expand(objects []*object, depth int) ([]*object, schemas.Problems) {
	var result []*object
	var problems schemas.Problems
	for _, o := range objects {
		items, isList := o.fields["items"].([]any)
		if !isList || !strings.HasSuffix(o.kind(), "List") {
			result = append(result, o)
			continue
		}
		if depth > 3 {
			problems = append(problems, o.problem("lists are nested too deep; write the objects one by one"))
			continue
		}
		inner := make([]*object, 0, len(items))
		for i, item := range items {
			fields, ok := item.(map[string]any)
			if !ok {
				problems = append(problems, o.problem("items[%d] of the %s is not an object", i, o.kind()))
				continue
			}
			inner = append(inner, &object{fields: fields, from: o.from})
		}
		expanded, found := expand(inner, depth+1)
		result = append(result, expanded...)
		problems = append(problems, found...)
	}
	return result, problems
}

// check refuses what no Kubernetes API would accept, or would accept as a new
// object at each apply.
func (o *object) check() schemas.Problems {
	var problems schemas.Problems
	for _, field := range []struct{ name, value string }{{"apiVersion", o.apiVersion()}, {"kind", o.kind()}} {
		if field.value == "" {
			problems = append(problems, o.problem("a rendered object has no %s (%s); every Kubernetes object has apiVersion, kind and metadata.name", field.name, o.title()))
		}
	}
	if _, generated := o.metadata()["generateName"]; generated {
		problems = append(problems, o.problem("the %s uses metadata.generateName, which would make a new object at every apply; give it a name", o.kind()))
	} else if o.name() == "" {
		problems = append(problems, o.problem("a rendered %s has no metadata.name", cmp.Or(o.kind(), "object")))
	}
	if strings.ContainsAny(o.name(), "/\x00") || strings.ContainsAny(o.namespace(), "/\x00") {
		problems = append(problems, o.problem("the %s has a character in its name that Kubernetes does not allow", o.title()))
	}
	if len(problems) > 0 {
		return problems
	}
	for _, field := range []string{"labels", "annotations"} {
		problems = append(problems, o.checkTexts(field)...)
	}
	return problems
}

// checkReserved refuses what would replace the agent or be mistaken for a part
// of it, and what pruning would then take away with it.
func (o *object) checkReserved() schemas.Problems {
	if o.namespace() == schemas.AgentNamespace {
		return schemas.Problems{o.problem("the %s is in the namespace %s, which is the agent's own; put it into another", o.title(), schemas.AgentNamespace)}
	}
	if o.group() == "" && o.kind() == "Namespace" && o.name() == schemas.AgentNamespace {
		return schemas.Problems{o.problem("the namespace %s is the agent's own; remove the object", schemas.AgentNamespace)}
	}
	return nil
}

// checkTexts refuses labels and annotations that are not text, which YAML turns
// an unquoted number or boolean into and the API server words badly.
func (o *object) checkTexts(field string) schemas.Problems {
	value, set := o.metadata()[field]
	if !set || value == nil {
		return nil
	}
	texts, ok := value.(map[string]any)
	if !ok {
		return schemas.Problems{o.problem("metadata.%s of the %s is not a mapping", field, o.title())}
	}
	var problems schemas.Problems
	for key, text := range texts {
		if _, ok := text.(string); !ok && text != nil {
			problems = append(problems, o.problem("metadata.%s[%q] of the %s is %v, not text; quote it", field, key, o.title(), text))
		}
	}
	return problems
}

// clean removes what belongs to the API server: a status is ignored on apply
// but would look like drift for ever.
func (o *object) clean() {
	delete(o.fields, "status")
	for _, field := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"} {
		delete(o.metadata(), field)
	}
}

// encode writes the object as it is to stand in the branch.
func (o *object) encode() schemas.Problems {
	data, err := schemas.Marshal(o.fields)
	if err != nil {
		return schemas.Problems{o.problem("the %s cannot be written: %s", o.title(), strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting JSON to YAML: "), "yaml: "))}
	}
	o.data = data
	return nil
}

// place puts the object into the layer's namespace if it names none and its
// kind is namespaced, and takes a cluster-scoped one out of any. Kinds that
// nothing is known about stay as they are.
func (o *object) place(scopes scopeTable, namespace string) {
	namespaced, known := scopes[o.group()+"/"+o.kind()]
	switch {
	case known && namespaced && o.namespace() == "":
		o.metadata()["namespace"] = namespace
	case known && !namespaced:
		delete(o.metadata(), "namespace")
	}
}
