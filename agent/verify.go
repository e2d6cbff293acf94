package agent

import (
	"errors"
	"fmt"
	"slices"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Why a commit is refused; shown as reason of the condition Fetched.
const (
	reasonUntrusted     = "Untrusted"
	reasonWrongRef      = "WrongRef"
	reasonWrongTenant   = "WrongTenant"
	reasonWrongCluster  = "WrongCluster"
	reasonOlder         = "OlderGeneration"
	reasonTampered      = "Tampered"
	reasonInvalid       = "Invalid"
	reasonNoTrustedKeys = "NoTrustedKeys"
)

// refusal is why a commit is not applied.
type refusal struct {
	Reason string
	Commit string
	err    error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("refused commit %s (%s): %v", short(r.Commit), r.Reason, r.err)
}

func (r *refusal) Unwrap() error { return r.err }

// trust is what a commit is checked against.
type trust struct {
	Tenant, Cluster, UID string
	Keys                 []string
	// The newest commit trusted so far; nothing older is accepted.
	Generation int64
	Commit     string
	Digest     string
}

// verify gives the content of a fetched commit if everything about it is as it
// must be. The fetcher has made sure that the files are those of the commit;
// that it is the right commit is found out here, nothing else is believed.
func verify(snapshot *sync.Snapshot, trust trust) (*revision, error) {
	refuse := func(reason string, err error) (*revision, error) {
		return nil, &refusal{Reason: reason, Commit: snapshot.Commit, err: err}
	}
	key, err := sync.VerifyCommit(snapshot.Raw, trust.Keys)
	if err != nil {
		return refuse(reasonUntrusted, err)
	}
	if want := schemas.DesiredRef(trust.Cluster); snapshot.Ref != want {
		return refuse(reasonWrongRef, fmt.Errorf("came from %s instead of %s", snapshot.Ref, want))
	}
	manifest, err := readManifest(snapshot.Files[schemas.DesiredClusterFile])
	if err != nil {
		return refuse(reasonInvalid, err)
	}
	if reason, err := checkIdentity(manifest, trust); err != nil {
		return refuse(reason, err)
	}
	candidate := &revision{Commit: snapshot.Commit, Key: key, Spec: manifest.Spec}
	if err := trust.admits(candidate); err != nil {
		return refuse(reasonOlder, err)
	}
	if len(manifest.Spec.TrustedKeys) == 0 {
		return refuse(reasonNoTrustedKeys, errors.New("spec.trustedKeys is empty: no later commit could be accepted, name at least one key"))
	}
	if err := checkDigests(manifest.Spec, snapshot.Files); err != nil {
		return refuse(reasonTampered, err)
	}
	if err := checkLayers(manifest.Spec.Layers); err != nil {
		return refuse(reasonInvalid, err)
	}
	if candidate.Layers, err = readLayers(trust.UID, manifest.Spec, snapshot.Files); err != nil {
		return refuse(reasonTampered, err)
	}
	return candidate, nil
}

func readManifest(content []byte) (*schemas.DesiredCluster, error) {
	if content == nil {
		return nil, fmt.Errorf("%s is missing", schemas.DesiredClusterFile)
	}
	manifest := &schemas.DesiredCluster{}
	if err := schemas.Unmarshal(content, manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", schemas.DesiredClusterFile, err)
	}
	if manifest.APIVersion != schemas.APIVersion || manifest.Kind != schemas.KindDesiredCluster {
		return nil, fmt.Errorf("%s: is %s %s instead of %s %s", schemas.DesiredClusterFile,
			manifest.APIVersion, manifest.Kind, schemas.APIVersion, schemas.KindDesiredCluster)
	}
	return manifest, nil
}

func checkIdentity(manifest *schemas.DesiredCluster, trust trust) (string, error) {
	switch {
	case manifest.Spec.Tenant != trust.Tenant:
		return reasonWrongTenant, fmt.Errorf("is for tenant %q, this is %q", manifest.Spec.Tenant, trust.Tenant)
	case manifest.Metadata.Name != trust.Cluster:
		return reasonWrongCluster, fmt.Errorf("is for cluster %q, this is %q", manifest.Metadata.Name, trust.Cluster)
	case manifest.Spec.UID != trust.UID:
		return reasonWrongCluster, fmt.Errorf("is for cluster UID %q, this is %q", manifest.Spec.UID, trust.UID)
	}
	return "", nil
}

// admits refuses going back. The same generation again is the same commit, or
// one that says the same, such as one signed anew.
func (t trust) admits(candidate *revision) error {
	generation := candidate.Spec.Generation
	switch {
	case generation > t.Generation:
		return nil
	case generation < t.Generation:
		return fmt.Errorf("has generation %d, this cluster already trusted %d; roll back with a new commit on main", generation, t.Generation)
	case candidate.Commit == t.Commit || candidate.Spec.Digest == t.Digest:
		return nil
	}
	return fmt.Errorf("has generation %d like the trusted commit %s, but other content", generation, short(t.Commit))
}

func (t trust) knows(key string) bool { return slices.Contains(t.Keys, key) }

func checkDigests(spec schemas.DesiredClusterSpec, files map[string][]byte) error {
	if digest := spec.ComputeDigest(); digest != spec.Digest {
		return fmt.Errorf("root manifest has digest %s where it says %s", digest, spec.Digest)
	}
	infrastructure, exists := files[schemas.DesiredInfrastructureFile]
	if !exists && spec.Infrastructure == "" {
		return nil
	}
	if digest := schemas.DigestOf(infrastructure); digest != spec.Infrastructure {
		return fmt.Errorf("%s has digest %s where the root manifest says %s", schemas.DesiredInfrastructureFile, digest, spec.Infrastructure)
	}
	return nil
}

func short(commit string) string { return commit[:min(len(commit), 12)] }
