// Package all lists every cloud that Branchline can make clusters on. It is the
// only place that imports them; adding a cloud is one line here.
package all

import (
	"context"
	"errors"
	"fmt"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/providers/local"
	"branchline.dev/branchline/schemas"
)

// Options hold what each cloud needs from the process that runs it.
type Options struct {
	// Local is needed only where clusters of type local are made.
	Local LocalOptions
}

// Local is the type of clusters that are processes of this machine.
const Local = local.Type

// LocalOptions say where their state is and which programs they consist of.
type LocalOptions = local.Options

// Cloud is one type of cloud.
type Cloud struct {
	// Type is the value of cloud.type.
	Type string
	// Schemas check the settings that people write.
	Schemas schemas.CloudSchemas
	// Open makes the provider. It may take hold of processes and files, and is
	// called once in a process.
	Open func(Options) (Provider, error)
}

// Provider is a cloud's provider together with its end.
type Provider interface {
	providers.Provider
	// Close gives back what the provider holds; clusters stay.
	Close(ctx context.Context) error
}

// All returns every cloud, by type.
func All() []Cloud {
	return []Cloud{
		{local.Type, local.Schemas(), func(o Options) (Provider, error) { return local.New(o.Local) }},
	}
}

// Schemas maps each type of cloud to the schemas of its settings.
func Schemas() map[string]schemas.CloudSchemas {
	byType := map[string]schemas.CloudSchemas{}
	for _, cloud := range All() {
		byType[cloud.Type] = cloud.Schemas
	}
	return byType
}

// Clouds are opened providers by type.
type Clouds map[string]Provider

// Open makes the providers of the given types. If one fails, those made before
// it are closed.
func Open(ctx context.Context, o Options, types ...string) (Clouds, error) {
	known := map[string]Cloud{}
	for _, cloud := range All() {
		known[cloud.Type] = cloud
	}
	opened := Clouds{}
	for _, name := range types {
		cloud, ok := known[name]
		if !ok {
			return nil, errors.Join(fmt.Errorf("open provider: no cloud of type %q; see All for those there are", name), opened.Close(ctx))
		}
		provider, err := cloud.Open(o)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open provider %s: %w", name, err), opened.Close(ctx))
		}
		opened[name] = provider
	}
	return opened, nil
}

// Providers gives what converges clusters, by type.
func (c Clouds) Providers() map[string]providers.Provider {
	byType := make(map[string]providers.Provider, len(c))
	for name, provider := range c {
		byType[name] = provider
	}
	return byType
}

// Close closes every provider.
func (c Clouds) Close(ctx context.Context) error {
	var errs []error
	for _, provider := range c {
		errs = append(errs, provider.Close(ctx))
	}
	return errors.Join(errs...)
}
