package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"branchline.dev/branchline/providers"
)

// Type is the value of cloud.type that this provider serves.
const Type = "local"

// Provider makes and keeps local clusters. It implements providers.Provider.
type Provider struct {
	options Options
	host    *host
	lock    *os.File

	mu       sync.Mutex
	version  string // of Kubernetes, once asked
	closed   bool
	clusters map[string]*cluster // by directory
}

// New opens the state directory and stops processes that an earlier Provider
// left behind. Clusters are started by Converge.
func New(o Options) (*Provider, error) {
	o, err := o.completed()
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := stopStale(filepath.Join(o.Dir, "clusters"), o.Log); err != nil {
		lock.Close()
		return nil, err
	}
	return &Provider{
		options:  o,
		host:     &host{program: o.ControlPlane, spawner: newSpawner(), ports: newPortPool(), log: o.Log, now: o.Now},
		lock:     lock,
		clusters: map[string]*cluster{},
	}, nil
}

// Close stops every process that the provider started and returns when all have
// ended; when ctx is done they are killed. Data stays: the next Provider on the
// same directory brings the clusters back.
func (p *Provider) Close(ctx context.Context) error {
	p.mu.Lock()
	clusters := p.clusters
	alreadyClosed := p.closed
	p.clusters, p.closed = nil, true
	p.mu.Unlock()
	if alreadyClosed {
		return nil
	}
	errs := make(chan error, len(clusters))
	for _, c := range clusters {
		go func() { errs <- c.close(ctx) }()
	}
	var all []error
	for range clusters {
		all = append(all, <-errs)
	}
	p.host.spawner.stop()
	return errors.Join(append(all, p.lock.Close())...)
}

// Kubeconfig is the path of the administrator's kubeconfig of the cluster. The
// file exists while the cluster does.
func (p *Provider) Kubeconfig(tenant, cluster string) string {
	return filepath.Join(p.options.Dir, "kubeconfigs", tenant, cluster+".yaml")
}

// names are used as parts of paths: nothing but this is let through.
var (
	nameLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	uidLabel  = regexp.MustCompile(`^[0-9A-Za-z]([-0-9A-Za-z]{0,61}[0-9A-Za-z])?$`)
)

// directory of the cluster with this UID.
func (p *Provider) directory(c providers.Cluster) (string, error) {
	for _, check := range []struct {
		what, value string
		pattern     *regexp.Regexp
	}{
		{"cluster name", c.Name, nameLabel},
		{"tenant", c.Desired.Tenant, nameLabel},
		{"UID", c.Desired.UID, uidLabel},
	} {
		if !check.pattern.MatchString(check.value) {
			return "", fmt.Errorf("local cluster %q: %s %q is not usable; write letters, digits and '-', at most 63",
				c.Name, check.what, check.value)
		}
	}
	return filepath.Join(p.options.Dir, "clusters", c.Desired.Tenant, c.Desired.UID), nil
}

// kubernetesVersion of the control-plane program; asked once, as it costs a start of it.
func (p *Provider) kubernetesVersion(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version == "" {
		version, err := programVersion(ctx, p.options.ControlPlane)
		if err != nil {
			return "", err
		}
		p.version = version
	}
	return p.version, nil
}
