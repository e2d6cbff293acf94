package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"branchline.dev/branchline/providers"
)

// cluster is one cluster that this process has opened.
type cluster struct {
	mu     sync.Mutex // held during a step
	plane  *plane
	closed bool
}

// open returns the cluster in dir, opened at the first call.
func (p *Provider) open(dir string, c providers.Cluster) (*cluster, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	if opened, ok := p.clusters[dir]; ok {
		return opened, nil
	}
	plane, err := openPlane(p.host, dir, c.Desired.Tenant, c.Name, c.Desired.UID)
	if err != nil {
		return nil, err
	}
	p.clusters[dir] = &cluster{plane: plane}
	return p.clusters[dir], nil
}

// forget takes the cluster out of the provider's hands, nil if it was not opened.
func (p *Provider) forget(dir string) (*cluster, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	opened := p.clusters[dir]
	delete(p.clusters, dir)
	return opened, nil
}

// close stops the cluster's processes once the step in progress is over.
func (c *cluster) close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.plane.close(ctx)
}

// publishKubeconfig puts the administrator's kubeconfig where people find it.
func (p *Provider) publishKubeconfig(plane *plane) error {
	data, err := os.ReadFile(plane.kubeconfig(adminPair))
	if err != nil {
		return fmt.Errorf("publish the kubeconfig of cluster %s: %w", plane.state.Cluster, err)
	}
	path := p.Kubeconfig(plane.state.Tenant, plane.state.Cluster)
	if published, err := os.ReadFile(path); err == nil && bytes.Equal(published, data) {
		return nil
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), writeFile(path, data)); err != nil {
		return fmt.Errorf("publish the kubeconfig of cluster %s: %w", plane.state.Cluster, err)
	}
	return nil
}

// withdrawKubeconfig removes what was published, unless another cluster of the
// same name has taken the place.
func (p *Provider) withdrawKubeconfig(dir string, c providers.Cluster) error {
	path := p.Kubeconfig(c.Desired.Tenant, c.Name)
	own, err := os.ReadFile(layout{dir}.kubeconfig(adminPair))
	if err != nil {
		return nil // it was never published
	}
	if published, err := os.ReadFile(path); err != nil || !bytes.Equal(published, own) {
		return nil
	}
	return os.Remove(path)
}
