package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// kinds knows which resources the API server serves. It is read again only
// when something asks for a kind that is not there.
type kinds struct {
	client  *discovery.DiscoveryClient
	served  map[schema.GroupVersionKind]servedKind
	byKind  map[schema.GroupKind]servedKind
	unknown map[string]string // groups that could not be read, and why: their kinds are unknown, not absent
	Server  string            // version of the API server
	usable  int               // live.usableCRDs at the last read
	retryAt time.Time
	delay   time.Duration
}

type servedKind struct {
	Resource   schema.GroupVersionResource
	Namespaced bool
	Usable     bool // objects can be applied and watched
}

func newServedKind(version schema.GroupVersion, resource metav1.APIResource) servedKind {
	usable := true
	for _, verb := range []string{"patch", "list", "watch"} {
		usable = usable && slices.Contains(resource.Verbs, verb)
	}
	return servedKind{version.WithResource(resource.Name), resource.Namespaced, usable}
}

// errKindUnknown is why an object waits for another look at discovery.
var errKindUnknown = errors.New("kind is not known")

// find gives the resource of a kind in exactly this version.
func (k *kinds) find(kind schema.GroupVersionKind) (servedKind, error) {
	if found, ok := k.served[kind]; ok {
		if !found.Usable {
			return found, fmt.Errorf("kind %s in %s cannot be managed: the API server offers no patch, list and watch for it", kind.Kind, kind.GroupVersion())
		}
		return found, nil
	}
	if why, failed := k.unknown[kind.Group]; failed {
		return servedKind{}, fmt.Errorf("%w: discovery of %s failed: %s", errKindUnknown, kind.Group, why)
	}
	return servedKind{}, fmt.Errorf("%w: missing kind %s in %s, is its CRD in an earlier layer?", errKindUnknown, kind.Kind, kind.GroupVersion())
}

// findAny gives the resource of a kind in the version the server prefers.
// absent is true only if the server certainly serves no version of it.
func (k *kinds) findAny(kind schema.GroupKind) (found servedKind, absent bool) {
	if found, ok := k.byKind[kind]; ok {
		return found, false
	}
	_, failed := k.unknown[kind.Group]
	return servedKind{}, !failed && k.served != nil
}

// refresh reads discovery if it was never read, or if a kind is missing and
// there is reason to hope: a definition appeared, or a growing delay is over.
// It returns when to try again, 0 for never.
func (k *kinds) refresh(ctx context.Context, missing bool, usable int, now time.Time) (time.Duration, error) {
	if k.served != nil && !missing {
		k.delay = 0
		return 0, nil
	}
	if usable != k.usable {
		k.delay = 0
	}
	if k.served != nil && k.delay > 0 && now.Before(k.retryAt) {
		return k.retryAt.Sub(now), nil
	}
	k.usable = usable
	k.delay = min(max(2*k.delay, 100*time.Millisecond), 30*time.Second)
	k.retryAt = now.Add(k.delay)
	return k.delay, k.read(ctx)
}

func (k *kinds) read(ctx context.Context) error {
	_, lists, err := k.client.ServerGroupsAndResourcesWithContext(ctx)
	failed, partial := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partial {
		return fmt.Errorf("read the kinds that the API server serves: %w", err)
	}
	k.unknown = map[string]string{}
	for version, why := range failed {
		k.unknown[version.Group] = clip(why.Error())
	}
	k.served = map[schema.GroupVersionKind]servedKind{}
	k.byKind = map[schema.GroupKind]servedKind{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, resource := range list.APIResources {
			if strings.Contains(resource.Name, "/") {
				continue
			}
			kind := version.WithKind(resource.Kind)
			k.served[kind] = newServedKind(version, resource)
			if known, ok := k.byKind[kind.GroupKind()]; !ok || version.Version < known.Resource.Version {
				k.byKind[kind.GroupKind()] = k.served[kind]
			}
		}
	}
	if server, err := k.client.ServerVersionWithContext(ctx); err == nil {
		k.Server = server.GitVersion
	}
	return nil
}

func isCRD(kind schema.GroupKind) bool {
	return kind == schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
}
