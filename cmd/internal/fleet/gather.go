package fleet

import (
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// evidence is what the refs of one cluster say and the chain of trust vouches
// for; what is missing, or is of an earlier incarnation of the cluster, is nil.
type evidence struct {
	desired *schemas.DesiredClusterSpec
	cloud   string
	infra   *schemas.InfraStatusBody
	agent   *schemas.AgentStatusBody
	// agentTime is when agent was written.
	agentTime time.Time
	// unvouched is set if an agent reports whose key is not on record yet: its
	// status is not believed, nor held against anybody.
	unvouched bool
}

// gather follows the chain of trust up to the first link that breaks: the
// desired state names the keys that sign infrastructure status, and that names
// the agent's key. The error wraps sync.ErrUntrusted if something was read that
// must not be believed; any other means that it could not be read.
func gather(tips map[string]Tip, name string, trusted []string) (evidence, error) {
	var e evidence
	if err := e.readDesired(tips[schemas.DesiredRef(name)], name, trusted); err != nil {
		return e, fmt.Errorf("desired state: %w", err)
	}
	keys := e.desired.TrustedKeys
	if tip, ok := tips[schemas.InfraStatusRef(name)]; ok {
		if err := e.readInfra(tip, name, keys); err != nil {
			return e, fmt.Errorf("infrastructure status: %w", err)
		}
	}
	if tip, ok := tips[schemas.AgentStatusRef(name)]; ok {
		if err := e.readAgent(tip, name); err != nil {
			return e, fmt.Errorf("agent status: %w", err)
		}
	}
	return e, nil
}

func (e *evidence) readDesired(tip Tip, name string, trusted []string) error {
	if len(trusted) > 0 {
		if err := verify(tip, trusted); err != nil {
			return err
		}
	}
	var manifest schemas.DesiredCluster
	if err := decode(tip, schemas.DesiredClusterFile, &manifest, &manifest.TypeMeta, schemas.KindDesiredCluster); err != nil {
		return err
	}
	if len(trusted) == 0 {
		if err := verify(tip, manifest.Spec.TrustedKeys); err != nil {
			return err
		}
	}
	if got := manifest.Metadata.Name; got != name {
		return fmt.Errorf("%w: it is for the cluster %q", sync.ErrUntrusted, got)
	}
	e.desired = &manifest.Spec
	if manifest.Spec.Tombstone != nil {
		return nil
	}
	var infrastructure schemas.DesiredInfrastructure
	if err := decode(tip, schemas.DesiredInfrastructureFile, &infrastructure, &infrastructure.TypeMeta, schemas.KindDesiredInfrastructure); err != nil {
		return err
	}
	e.cloud = infrastructure.Spec.Cloud.Type
	return nil
}

func (e *evidence) readInfra(tip Tip, name string, keys []string) error {
	var document schemas.InfraStatus
	if err := decode(tip, schemas.StatusFile, &document, &document.TypeMeta, schemas.KindInfraStatus); err != nil {
		return err
	}
	status := &document.Status
	if err := e.addressed(name, document.Metadata.Name, status.Tenant); err != nil {
		return err
	}
	if status.UID != e.desired.UID {
		return nil // of an earlier incarnation, whose keys are nobody's concern any more
	}
	if err := verify(tip, keys); err != nil {
		return err
	}
	e.infra = status
	return nil
}

func (e *evidence) readAgent(tip Tip, name string) error {
	var document schemas.AgentStatus
	if err := decode(tip, schemas.StatusFile, &document, &document.TypeMeta, schemas.KindAgentStatus); err != nil {
		return err
	}
	status := &document.Status
	if err := e.addressed(name, document.Metadata.Name, status.Tenant); err != nil {
		return err
	}
	if status.UID != e.desired.UID {
		return nil
	}
	if e.infra == nil || e.infra.AgentPublicKey == "" {
		e.unvouched = true
		return nil
	}
	if err := verify(tip, []string{e.infra.AgentPublicKey}); err != nil {
		return err
	}
	e.agent, e.agentTime = status, tip.Commit.CommitterTime
	return nil
}

// addressed makes sure that a status is of this cluster: a genuine one of
// another cluster proves nothing.
func (e *evidence) addressed(name, cluster, tenant string) error {
	if cluster != name || tenant != e.desired.Tenant {
		return fmt.Errorf("%w: it is of the cluster %q of the tenant %q", sync.ErrUntrusted, cluster, tenant)
	}
	return nil
}

func verify(tip Tip, keys []string) error {
	if tip.Err != nil {
		return tip.Err
	}
	_, err := sync.VerifyCommit(tip.Commit.Raw, keys)
	return err
}

// Documents are bounded before they are parsed. Writers keep statuses below 64 KiB;
// manifests grow with the number of layers.
const (
	maxStatus   = 256 << 10
	maxManifest = 4 << 20
)

// decode reads a document leniently: one of a later version may hold fields that
// this version does not know.
func decode(tip Tip, file string, into any, meta *schemas.TypeMeta, kind string) error {
	if tip.Err != nil {
		return tip.Err
	}
	data, err := tip.File(file)
	if err != nil {
		return err
	}
	limit := maxManifest
	if file == schemas.StatusFile {
		limit = maxStatus
	}
	if len(data) > limit {
		return fmt.Errorf("%s of commit %s has %d bytes, more than the %d allowed", file, tip.Commit.ID, len(data), limit)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		return fmt.Errorf("parse %s of commit %s: %w", file, tip.Commit.ID, err)
	}
	if meta.Kind != kind {
		return fmt.Errorf("%s of commit %s is of kind %q, not %s", file, tip.Commit.ID, meta.Kind, kind)
	}
	return nil
}
