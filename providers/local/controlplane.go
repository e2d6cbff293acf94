package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// ControlPlaneOptions say how to run one control plane.
type ControlPlaneOptions struct {
	// Dir holds its state; it is made if missing. One process at a time uses it.
	Dir string
	// Program is the path of branchline-controlplane.
	Program string
	// Kwok is the path of kwok; empty means that nobody plays kubelet.
	Kwok string
	// Log receives starts and stops of processes; nil discards them.
	Log *slog.Logger
}

// ControlPlane is a running Kubernetes control plane without nodes or an agent.
type ControlPlane struct {
	plane *plane
	lock  *os.File
}

// StartControlPlane starts a control plane alone and returns once it serves and
// can schedule; ctx bounds only that wait. Whatever was stored in Dir before is
// there again. Stop it when it is no longer needed.
func StartControlPlane(ctx context.Context, o ControlPlaneOptions) (*ControlPlane, error) {
	c, err := openControlPlane(o)
	if err != nil {
		return nil, fmt.Errorf("start a control plane: %w", err)
	}
	if err := c.wait(ctx, o.Kwok); err != nil {
		err = fmt.Errorf("start a control plane: %w; see %s", err, c.plane.path("logs"))
		c.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return c, nil
}

func openControlPlane(o ControlPlaneOptions) (*ControlPlane, error) {
	path, err := program(o.Program, "control plane (branchline-controlplane)")
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	if err := stopStale(dir, o.Log); err != nil {
		lock.Close()
		return nil, err
	}
	h := &host{program: path, spawner: newSpawner(), ports: newPortPool(), log: o.Log, now: time.Now}
	p, err := openPlane(h, filepath.Join(dir, "clusters", "alone"), "local", "local", "local")
	if err != nil {
		h.spawner.stop()
		lock.Close()
		return nil, err
	}
	return &ControlPlane{plane: p, lock: lock}, nil
}

func (c *ControlPlane) wait(ctx context.Context, kwok string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ready, incidents, err := c.plane.step(ctx)
		if err != nil {
			return err
		}
		if len(incidents) > 0 {
			return fmt.Errorf("%s", strings.Join(incidents, "; "))
		}
		if ready && kwok != "" {
			if err := c.plane.freeNodes(ctx); err != nil {
				return err
			}
			_, err := c.plane.processes.ensure(ctx, c.plane.kwok(kwok, c.plane.kubeconfigs))
			return err
		}
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// RESTConfig connects as an administrator. The caller owns the result.
func (c *ControlPlane) RESTConfig() *rest.Config { return rest.CopyConfig(c.plane.config) }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *ControlPlane) Kubeconfig() string { return c.plane.kubeconfig(adminPair) }

// Stop ends every process; data stays in the directory. It returns when all have
// ended; when ctx is done they are killed.
func (c *ControlPlane) Stop(ctx context.Context) error {
	err := c.plane.close(ctx)
	c.plane.spawner.stop()
	c.lock.Close()
	return err
}
