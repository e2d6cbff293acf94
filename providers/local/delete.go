package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// deleteGrace is how long a cluster's processes may take to stop altogether
// before they are killed: what they would save is removed anyway.
const deleteGrace = time.Second

// Delete implements providers.Provider: it stops the cluster's processes, last
// started first, and removes its directory.
func (p *Provider) Delete(ctx context.Context, c providers.Cluster) (providers.Observation, error) {
	if err := ctx.Err(); err != nil {
		return providers.Observation{}, err
	}
	dir, err := p.directory(c)
	if err != nil {
		return providers.Observation{}, err
	}
	opened, err := p.forget(dir)
	if err != nil {
		return providers.Observation{}, err
	}
	if opened != nil {
		// Not the caller's context: once begun, nothing may be left running.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteGrace)
		defer cancel()
		err = opened.close(grace)
	}
	if err = errors.Join(err, p.withdrawKubeconfig(dir, c), os.RemoveAll(dir)); err != nil {
		return providers.Observation{}, fmt.Errorf("delete local cluster %s: %w; what is left is in %s", c.Name, err, dir)
	}
	return providers.Observation{
		Phase: schemas.InfraDeleted,
		Conditions: []schemas.Condition{{
			Type: schemas.ConditionReady, Status: "False", Reason: "Deleted", Message: "nothing of the cluster is left on this machine"}},
	}, nil
}
