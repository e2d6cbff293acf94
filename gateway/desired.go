package gateway

import (
	"context"
	"fmt"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// desired is a desired commit that was read.
type desired struct {
	commit  string
	parents []string
	cluster schemas.DesiredCluster
	// infrastructure is nil in the commit of a tombstone that has none.
	infrastructure *schemas.DesiredInfrastructureSpec
}

func (d *desired) revision() schemas.DesiredRevision {
	return schemas.DesiredRevision{
		Commit:     d.commit,
		Generation: d.cluster.Spec.Generation,
		Source:     d.cluster.Spec.Source.Commit,
	}
}

// refusal is an error with the reason that a condition gives for it.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(reason, format string, args ...any) error {
	return &refusal{reason, fmt.Errorf(format, args...)}
}

// The reasons for which a desired commit is not followed.
const (
	reasonReadFailed   = "ReadFailed"
	reasonUntrusted    = "Untrusted"
	reasonMalformed    = "Malformed"
	reasonWrongTenant  = "WrongTenant"
	reasonWrongCluster = "WrongCluster"
	reasonOlder        = "OlderGeneration"
	reasonUIDChanged   = "UIDChanged"
)

// readTip returns the desired state at the tip of a cluster's branch, verified.
// Commits never change, so that one is read once.
func readTip(ctx context.Context, o Options, cluster, tip string, m *Memory) (*desired, error) {
	if m.desired != nil && m.desired.commit == tip {
		return m.desired, nil
	}
	commit, err := o.Source.Commit(ctx, tip)
	if err != nil {
		return nil, refuse(reasonReadFailed, "read desired commit %s: %w", tip, err)
	}
	// Nothing of a commit is looked at before its signature.
	if _, err := sync.VerifyCommit(commit.Raw, o.TrustedKeys); err != nil {
		return nil, refuse(reasonUntrusted, "verify desired commit %s: %w", tip, err)
	}
	d, err := readCommit(ctx, o, cluster, commit)
	if err != nil {
		return nil, err
	}
	if err := newer(d, m.last.body.Observed); err != nil {
		return nil, err
	}
	m.desired = d
	return d, nil
}

// readCommit reads the files of a commit that is known to be genuine.
func readCommit(ctx context.Context, o Options, cluster string, commit *sync.Commit) (*desired, error) {
	d := &desired{commit: commit.ID, parents: commit.Parents}
	manifest, err := o.Source.File(ctx, commit.ID, schemas.DesiredClusterFile)
	if err != nil {
		return nil, refuse(reasonReadFailed, "read %s of %s: %w", schemas.DesiredClusterFile, commit.ID, err)
	}
	if err := schemas.Unmarshal(manifest, &d.cluster); err != nil {
		return nil, refuse(reasonMalformed, "parse %s of %s: %w", schemas.DesiredClusterFile, commit.ID, err)
	}
	if err := addressed(o.Tenant, cluster, d.cluster); err != nil {
		return nil, err
	}
	digest := d.cluster.Spec.Infrastructure
	if digest == "" {
		return d, nil
	}
	data, err := o.Source.File(ctx, commit.ID, schemas.DesiredInfrastructureFile)
	if err != nil {
		return nil, refuse(reasonReadFailed, "read %s of %s: %w", schemas.DesiredInfrastructureFile, commit.ID, err)
	}
	d.infrastructure, err = parseInfrastructure(data, digest, d.cluster.Spec)
	return d, err
}

// addressed checks that a root manifest is for this tenant and cluster and is
// fit to be acted on.
func addressed(tenant, cluster string, c schemas.DesiredCluster) error {
	spec := c.Spec
	switch {
	case c.Kind != schemas.KindDesiredCluster || c.APIVersion != schemas.APIVersion:
		return refuse(reasonMalformed, "the root manifest is a %s of %s, not a %s of %s",
			c.Kind, c.APIVersion, schemas.KindDesiredCluster, schemas.APIVersion)
	case spec.Tenant != tenant:
		return refuse(reasonWrongTenant, "the commit is for tenant %q, not %q", spec.Tenant, tenant)
	case c.Metadata.Name != cluster:
		return refuse(reasonWrongCluster, "the commit is for cluster %q, not %q", c.Metadata.Name, cluster)
	case spec.UID == "" || spec.Generation < 1:
		return refuse(reasonMalformed, "the root manifest has no uid or no generation")
	case spec.Digest != spec.ComputeDigest():
		return refuse(reasonMalformed, "the root manifest's digest is not that of its content")
	case spec.Tombstone != nil && spec.Tombstone.UID != spec.UID:
		return refuse(reasonMalformed, "the tombstone is for uid %q, the root manifest for %q", spec.Tombstone.UID, spec.UID)
	case spec.Tombstone == nil && spec.Infrastructure == "":
		return refuse(reasonMalformed, "the root manifest names no infrastructure")
	}
	return nil
}

func parseInfrastructure(data []byte, digest string, cluster schemas.DesiredClusterSpec) (*schemas.DesiredInfrastructureSpec, error) {
	if digest != schemas.DigestOf(data) {
		return nil, refuse(reasonMalformed, "%s does not have the digest that the root manifest gives", schemas.DesiredInfrastructureFile)
	}
	var document schemas.DesiredInfrastructure
	if err := schemas.Unmarshal(data, &document); err != nil {
		return nil, refuse(reasonMalformed, "parse %s: %w", schemas.DesiredInfrastructureFile, err)
	}
	spec := &document.Spec
	if document.Kind != schemas.KindDesiredInfrastructure || spec.Tenant != cluster.Tenant || spec.UID != cluster.UID {
		return nil, refuse(reasonMalformed, "%s is a %s for tenant %q and uid %q, not for the root manifest's %q and %q",
			schemas.DesiredInfrastructureFile, document.Kind, spec.Tenant, spec.UID, cluster.Tenant, cluster.UID)
	}
	return spec, nil
}

// newer refuses to go back behind what was followed before. Order is that of
// generations: no clock is asked.
func newer(d *desired, seen schemas.DesiredRevision) error {
	generation := d.cluster.Spec.Generation
	switch {
	case generation > seen.Generation, generation == seen.Generation && d.commit == seen.Commit:
		return nil
	case generation == seen.Generation:
		return refuse(reasonOlder, "commit %s has generation %d, which commit %s had before; publish it with a higher one", d.commit, generation, seen.Commit)
	}
	return refuse(reasonOlder, "commit %s has generation %d, but %d was followed before; to go back, publish the old content with a higher one",
		d.commit, generation, seen.Generation)
}
