package fleet

import (
	"bytes"
	"context"
	"math/rand/v2"
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

func newSigner(t *testing.T, seed uint64) *sync.Signer {
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
	w.desired.Spec = schemas.DesiredClusterSpec{UID: "u", Generation: 3, Objects: 7, TrustedKeys: []string{w.renderer.PublicKey()}}
	w.infra.Status = schemas.InfraStatusBody{UID: "u", Phase: schemas.InfraReady, AgentPublicKey: w.agent.PublicKey()}
	w.status.Status = schemas.AgentStatusBody{
		UID:        "u",
		Observed:   schemas.DesiredRevision{Generation: 3},
		Applied:    schemas.DesiredRevision{Generation: 3, Source: "abc"},
		Conditions: []schemas.Condition{{Type: schemas.ConditionReady, Status: "True"}},
	}
	return w
}

func (w *world) write(ref, file string, signer *sync.Signer, document any, when time.Time) {
	w.t.Helper()
	data, err := schemas.Marshal(document)
	if err != nil {
		w.t.Fatal(err)
	}
	files := map[string][]byte{file: data}
	if file == schemas.DesiredClusterFile {
		var infrastructure schemas.DesiredInfrastructure
		infrastructure.Spec.Cloud.Type = "local"
		if files[schemas.DesiredInfrastructureFile], err = schemas.Marshal(infrastructure); err != nil {
			w.t.Fatal(err)
		}
	}
	update := sync.Update{Ref: ref, Files: files, Message: "test", When: when}
	if _, err := w.repository.Publish(context.Background(), signer, []sync.Update{update}); err != nil {
		w.t.Fatal(err)
	}
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
		{reason: "still applying", want: StateApplying, message: "2 to go",
			change: func(w *world) {
				w.status.Status.Conditions = []schemas.Condition{{Type: schemas.ConditionReady, Status: "False", Message: "2 to go"}}
			}},
		{reason: "drift that is left alone", want: StateDrifted, message: "Service/web",
			change: func(w *world) {
				w.status.Status.DriftCount = 2
				w.status.Status.Drift = []schemas.ObjectIssue{{Object: "Service/web"}}
			}},
		{reason: "a person is asked", want: StateApproval, message: "add sha256:1 to spec.approvals.deletions",
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
	if clusters[0].State != StateUntrusted {
		t.Errorf("state %s (%s)", clusters[0].State, clusters[0].Message)
	}
}

func TestUnreadableStatusIsAnErrorNotAnAbsence(t *testing.T) {
	w := newWorld(t)
	w.write(schemas.DesiredRef("dev"), schemas.DesiredClusterFile, w.renderer, w.desired, now)
	w.write(schemas.AgentStatusRef("dev"), "other.yaml", w.agent, w.status, now)
	if _, err := Read(t.Context(), OnDisk{w.repository}, now); err == nil || !strings.Contains(err.Error(), "cluster dev") {
		t.Errorf("error %v", err)
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
