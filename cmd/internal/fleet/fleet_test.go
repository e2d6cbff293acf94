package fleet

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a repository on disk with one cluster's refs, signed by whom a test
// chooses.
type world struct {
	t               *testing.T
	repository      *sync.Repository
	renderer, agent *sync.Signer
	desired         schemas.DesiredCluster
	infra           schemas.InfraStatus
	status          schemas.AgentStatus
}

func newSigner(t testing.TB, seed uint64) *sync.Signer {
	t.Helper()
	signer, err := sync.GenerateSigner(rand.NewChaCha8([32]byte{byte(seed)}))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	repository, err := sync.InitRepository(t.Context(), t.TempDir()+"/acme.git")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, repository: repository, renderer: newSigner(t, 1), agent: newSigner(t, 2)}
	w.desired.Kind, w.infra.Kind, w.status.Kind = schemas.KindDesiredCluster, schemas.KindInfraStatus, schemas.KindAgentStatus
	for _, metadata := range []*schemas.Metadata{&w.desired.Metadata, &w.infra.Metadata, &w.status.Metadata} {
		metadata.Name = "dev"
	}
	w.desired.Spec = schemas.DesiredClusterSpec{Tenant: "acme", UID: "u", Generation: 3, Objects: 7, TrustedKeys: []string{w.renderer.PublicKey()}}
	w.infra.Status = schemas.InfraStatusBody{Tenant: "acme", UID: "u", Phase: schemas.InfraReady, AgentPublicKey: w.agent.PublicKey()}
	w.status.Status = schemas.AgentStatusBody{
		Tenant:     "acme",
		UID:        "u",
		Observed:   schemas.DesiredRevision{Generation: 3},
		Applied:    schemas.DesiredRevision{Generation: 3, Source: "abc"},
		Conditions: []schemas.Condition{{Type: schemas.ConditionReady, Status: "True"}},
	}
	return w
}

func (w *world) write(ref, file string, signer *sync.Signer, document any, when time.Time) {
	w.t.Helper()
	files := map[string][]byte{file: encoded(w.t, document)}
	if file == schemas.DesiredClusterFile {
		infrastructure := schemas.DesiredInfrastructure{TypeMeta: schemas.TypeMeta{Kind: schemas.KindDesiredInfrastructure}}
		infrastructure.Spec.Cloud.Type = "local"
		files[schemas.DesiredInfrastructureFile] = encoded(w.t, infrastructure)
	}
	w.writeFiles(ref, files, signer, when)
}

func (w *world) writeFiles(ref string, files map[string][]byte, signer *sync.Signer, when time.Time) {
	w.t.Helper()
	expect, err := w.repository.Tip(context.Background(), ref)
	if err != nil && !errors.Is(err, sync.ErrRefNotFound) {
		w.t.Fatal(err)
	}
	update := sync.Update{Ref: ref, Expect: expect, Files: files, Message: "test", When: when}
	if _, err := w.repository.Publish(context.Background(), signer, []sync.Update{update}); err != nil {
		w.t.Fatal(err)
	}
}

// publish writes all three refs of the cluster, each by its writer.
func (w *world) publish() {
	w.t.Helper()
	w.write(schemas.DesiredRef("dev"), schemas.DesiredClusterFile, w.renderer, w.desired, now)
	w.write(schemas.InfraStatusRef("dev"), schemas.StatusFile, w.renderer, w.infra, now)
	w.write(schemas.AgentStatusRef("dev"), schemas.StatusFile, w.agent, w.status, now)
}

func encoded(t *testing.T, document any) []byte {
	t.Helper()
	data, err := schemas.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestStateOfACluster(t *testing.T) {
	tests := []struct {
		reason  string
		change  func(*world)
		noAgent bool
		noInfra bool
		signer  func(*world) *sync.Signer // of the agent's status
		age     time.Duration
		want    State
		message string
	}{
		{reason: "all is well", want: StateReady},
		{reason: "infrastructure not started", noAgent: true, noInfra: true, want: StateProvisioning, message: "has not been started"},
		{reason: "infrastructure under way", noAgent: true, want: StateProvisioning, message: "3 of 5 nodes",
			change: func(w *world) {
				w.infra.Status.Phase = schemas.InfraProvisioning
				w.infra.Status.Conditions = []schemas.Condition{{Type: schemas.ConditionReady, Status: "False", Message: "3 of 5 nodes"}}
			}},
		{reason: "no report yet", noAgent: true, want: StateWaiting, message: "has not reported"},
		{reason: "report of an earlier incarnation", want: StateWaiting, change: func(w *world) { w.status.Status.UID = "old" }},
		{reason: "nobody vouches for the agent", noInfra: true, want: StateProvisioning, change: func(w *world) { w.status.Status.UID = "old" }},
		{reason: "the agent's key is not on record", want: StateWaiting, message: "not on record", change: func(w *world) { w.infra.Status.AgentPublicKey = "" }},
		{reason: "report signed by another key", want: StateUntrusted, signer: func(w *world) *sync.Signer { return w.renderer }},
		{reason: "newer desired state", want: StatePending, message: "generation 4", change: func(w *world) { w.desired.Spec.Generation = 4 }},
		{reason: "old report", age: time.Hour, want: StateStale, message: "1h0m0s"},
		{reason: "branch unreadable", want: StateFailing, message: "401",
			change: func(w *world) {
				w.status.Status.Conditions = []schemas.Condition{{Type: schemas.ConditionFetched, Status: "False", Message: "401"}}
			}},
		{reason: "layer refused", want: StateFailing, message: "layer web: quota",
			change: func(w *world) {
				w.status.Status.Conditions = nil
				w.status.Status.Layers = []schemas.LayerStatus{{Name: "web", Phase: schemas.LayerFailed, Message: "quota"}}
			}},
		{reason: "a message without end", want: StateFailing, message: "xx…",
			change: func(w *world) {
				w.status.Status.Conditions = []schemas.Condition{{Type: schemas.ConditionFetched, Status: "False", Message: strings.Repeat("x", 100_000)}}
			}},
		{reason: "still applying", want: StateApplying, message: "2 to go",
			change: func(w *world) {
				w.status.Status.Conditions = []schemas.Condition{{Type: schemas.ConditionReady, Status: "False", Message: "2 to go"}}
			}},
		{reason: "drift that is left alone", want: StateDrifted, message: "Service/web",
			change: func(w *world) {
				w.status.Status.DriftCount = 2
				w.status.Status.Drift = []schemas.ObjectIssue{{Object: "Service/web"}}
			}},
		{reason: "drift that is counted but not listed", want: StateDrifted, message: "1 objects differ",
			change: func(w *world) { w.status.Status.DriftCount = 1 }},
		{reason: "another tenant's infrastructure status", want: StateUntrusted, message: "infrastructure status", change: func(w *world) { w.infra.Status.Tenant = "other" }},
		{reason: "another cluster's infrastructure status", want: StateUntrusted, message: `the cluster "prod"`, change: func(w *world) { w.infra.Metadata.Name = "prod" }},
		{reason: "another tenant's agent status", want: StateUntrusted, message: "agent status", change: func(w *world) { w.status.Status.Tenant = "other" }},
		{reason: "another cluster's agent status", want: StateUntrusted, message: `the cluster "prod"`, change: func(w *world) { w.status.Metadata.Name = "prod" }},
		{reason: "infrastructure of an earlier incarnation", noAgent: true, want: StateProvisioning, message: "has not been started",
			change: func(w *world) { w.infra.Status.UID = "old" }},
		{reason: "both of an earlier incarnation", want: StateProvisioning,
			change: func(w *world) { w.infra.Status.UID, w.status.Status.UID = "old", "old" }},
		{reason: "an earlier incarnation's agent had another key", want: StateWaiting, message: "has not reported",
			signer: func(w *world) *sync.Signer { return newSigner(w.t, 3) },
			change: func(w *world) { w.status.Status.UID = "old" }},
		{reason: "another cluster's desired state", want: StateUntrusted, message: `it is for the cluster "prod"`, change: func(w *world) { w.desired.Metadata.Name = "prod" }},
		{reason: "desired state by a key that it does not list", want: StateUntrusted, message: "desired state: ",
			change: func(w *world) { w.desired.Spec.TrustedKeys = []string{w.agent.PublicKey()} }},
		{reason: "a person is asked", want: StateApproval, message: "shows what, and how to allow it",
			change: func(w *world) {
				w.status.Status.PendingApprovals = []schemas.PendingApproval{{Digest: "sha256:1", Reason: "20 objects"}}
			}},
		{reason: "removed from main", want: StateDeleting, change: func(w *world) { w.desired.Spec.Tombstone = &schemas.Tombstone{UID: "u"} }},
		{reason: "gone", want: StateDeleted,
			change: func(w *world) {
				w.desired.Spec.Tombstone = &schemas.Tombstone{UID: "u"}
				w.infra.Status.Phase = schemas.InfraDeleted
			}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			w := newWorld(t)
			if tt.change != nil {
				tt.change(w)
			}
			signer := w.agent
			if tt.signer != nil {
				signer = tt.signer(w)
			}
			w.write(schemas.DesiredRef("dev"), schemas.DesiredClusterFile, w.renderer, w.desired, now)
			if !tt.noInfra {
				w.write(schemas.InfraStatusRef("dev"), schemas.StatusFile, w.renderer, w.infra, now)
			}
			if !tt.noAgent {
				w.write(schemas.AgentStatusRef("dev"), schemas.StatusFile, signer, w.status, now.Add(-tt.age))
			}
			clusters, err := Read(t.Context(), OnDisk{w.repository}, now)
			if err != nil {
				t.Fatal(err)
			}
			if len(clusters) != 1 || clusters[0].State != tt.want || !strings.Contains(clusters[0].Message, tt.message) {
				t.Errorf("got %+v, want state %s with %q", clusters, tt.want, tt.message)
			}
		})
	}
}

func TestForgedInfrastructureStatusIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	w.write(schemas.DesiredRef("dev"), schemas.DesiredClusterFile, w.renderer, w.desired, now)
	w.write(schemas.InfraStatusRef("dev"), schemas.StatusFile, w.agent, w.infra, now)
	clusters, err := Read(t.Context(), OnDisk{w.repository}, now)
	if err != nil {
		t.Fatal(err)
	}
	if got := clusters[0]; got.State != StateUntrusted || got.Infra != nil {
		t.Errorf("state %s (%s), infrastructure %+v", got.State, got.Message, got.Infra)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ location, want string }{
		{dir, "is no Git repository; name one: --repository URL|DIR"},
		{"http://%zz", "the repository's URL is not valid"},
	}
	for _, tt := range tests {
		_, err := Open(tt.location, "secret-token")
		if err == nil || !strings.Contains(err.Error(), tt.want) || bytes.Contains([]byte(err.Error()), []byte("secret-token")) {
			t.Errorf("Open(%s): %v, want %q", tt.location, err, tt.want)
		}
	}
}

// A person names a bare repository, a clone of one, a folder of a clone or a
// linked work tree, and sees the same clusters.
func TestOpenFindsTheRepositoryOnDisk(t *testing.T) {
	w := newWorld(t)
	w.publish()
	dir := t.TempDir()
	runGit := func(args ...string) {
		t.Helper()
		command := exec.Command("git", args...)
		command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
			"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	clone, linked, own := filepath.Join(dir, "clone"), filepath.Join(dir, "linked"), filepath.Join(dir, "own")
	runGit("clone", "-q", "--no-checkout", w.repository.Dir(), clone)
	if err := os.Mkdir(filepath.Join(clone, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A repository of its own, where the desired branches are local.
	runGit("clone", "-q", "--mirror", w.repository.Dir(), filepath.Join(own, ".git"))
	runGit("-C", own, "config", "core.bare", "false")
	runGit("-C", own, "remote", "remove", "origin")
	runGit("-C", own, "fetch", "-q", w.repository.Dir(), "refs/heads/*:refs/heads/*")
	runGit("-C", own, "worktree", "add", "-q", linked, "desired/dev")
	for _, location := range []string{w.repository.Dir(), clone, filepath.Join(clone, "folder"), own, linked} {
		reader, err := Open(location, "")
		if err != nil {
			t.Errorf("%s: %v", location, err)
			continue
		}
		clusters, err := Read(t.Context(), reader, now)
		if err != nil || len(clusters) != 1 || clusters[0].State != StateReady {
			t.Errorf("%s: clusters %+v, error %v", location, clusters, err)
		}
	}
}
