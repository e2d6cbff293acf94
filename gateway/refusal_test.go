package gateway

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

func TestHostileOrUnreadableDesiredStateChangesNothing(t *testing.T) {
	stranger := newSigner(t)
	cases := map[string]struct {
		desire desire
		fail   func(*faults)
		reason string
	}{
		"signed by a stranger": {desire{generation: 9, signer: stranger}, nil, reasonUntrusted},
		"other tenant": {desire{generation: 9, edit: func(c *schemas.DesiredCluster) { c.Spec.Tenant = "other" }},
			nil, reasonWrongTenant},
		"other cluster": {desire{generation: 9, edit: func(c *schemas.DesiredCluster) { c.Metadata.Name = "prod" }},
			nil, reasonWrongCluster},
		"older generation":             {desire{generation: 4}, nil, reasonOlder},
		"generation that was used":     {desire{generation: 5}, nil, reasonOlder},
		"branch started anew":          {desire{generation: 1, force: true}, nil, reasonOlder},
		"other uid, nothing ended":     {desire{generation: 9, uid: uidB}, nil, reasonUIDChanged},
		"other uid, branch anew":       {desire{generation: 9, uid: uidB, force: true}, nil, reasonUIDChanged},
		"other uid, other one's tomb":  {desire{generation: 9, uid: uidB, tombstone: at(start.Add(-24 * time.Hour))}, nil, reasonUIDChanged},
		"tombstone of another uid":     {desire{generation: 9, tombstone: at(start.Add(-24 * time.Hour)), edit: reseal(func(c *schemas.DesiredCluster) { c.Spec.Tombstone.UID = uidB })}, nil, reasonMalformed},
		"tombstone without a time":     {desire{generation: 9, tombstone: "yesterday"}, nil, reasonMalformed},
		"content is not its digest's":  {desire{generation: 9, edit: func(c *schemas.DesiredCluster) { c.Spec.Objects = 3 }}, nil, reasonMalformed},
		"no uid":                       {desire{generation: 9, edit: reseal(func(c *schemas.DesiredCluster) { c.Spec.UID = "" })}, nil, reasonMalformed},
		"other kind":                   {desire{generation: 9, edit: func(c *schemas.DesiredCluster) { c.Kind = schemas.KindCluster }}, nil, reasonMalformed},
		"unknown field":                {desire{generation: 9, editFiles: add("cluster.yaml", "extra: 1\n")}, nil, reasonMalformed},
		"no infrastructure":            {desire{generation: 9, noInfrastructure: true}, nil, reasonMalformed},
		"infrastructure changed":       {desire{generation: 9, editFiles: add("infrastructure.yaml", "# changed\n")}, nil, reasonMalformed},
		"infrastructure file missing":  {desire{generation: 9, editFiles: func(files map[string][]byte) { delete(files, "infrastructure.yaml") }}, nil, reasonReadFailed},
		"root manifest missing":        {desire{generation: 9, editFiles: func(files map[string][]byte) { delete(files, "cluster.yaml"); files["x"] = nil }}, nil, reasonReadFailed},
		"root manifest is no YAML":     {desire{generation: 9, editFiles: func(files map[string][]byte) { files["cluster.yaml"] = []byte("\x00{{{") }}, nil, reasonMalformed},
		"commit cannot be read":        {desire{generation: 9}, func(f *faults) { f.commit = errors.New("input/output error") }, reasonReadFailed},
		"file cannot be read":          {desire{generation: 9}, func(f *faults) { f.file = errors.New("input/output error") }, reasonReadFailed},
		"commit reported as not found": {desire{generation: 9}, func(f *faults) { f.commit = sync.ErrRefNotFound }, reasonReadFailed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.publish(desire{generation: 5})
			w.mustStep()
			w.cloud.take()
			known, _ := w.status("dev")

			w.publish(c.desire)
			if c.fail != nil {
				c.fail(w.faults)
			}
			w.clock = start.Add(48 * time.Hour)
			if _, err := w.step(); err == nil {
				t.Error("want an error")
			}
			if calls := w.cloud.take(); calls != nil {
				t.Errorf("provider was called: %v", calls)
			}
			got, _ := w.status("dev")
			if got.Phase != known.Phase || got.Observed != known.Observed || got.Endpoint != known.Endpoint || len(got.Nodes) != len(known.Nodes) {
				t.Errorf("what was known is gone: %+v", got)
			}
			if f := w.condition("Fetched"); f.Status != "False" || f.Reason != c.reason {
				t.Errorf("Fetched is %s for %s, want False for %s", f.Status, f.Reason, c.reason)
			}

			w.restart() // the generation seen is remembered in the status
			_, _ = w.step()
			if calls := w.cloud.take(); calls != nil {
				t.Errorf("provider was called after a restart: %v", calls)
			}
		})
	}
}

// reseal changes a root manifest as its renderer would have written it.
func reseal(edit func(*schemas.DesiredCluster)) func(*schemas.DesiredCluster) {
	return func(c *schemas.DesiredCluster) {
		edit(c)
		c.Spec.Digest = c.Spec.ComputeDigest()
	}
}

func add(path, text string) func(map[string][]byte) {
	return func(files map[string][]byte) { files[path] = append(bytes.Clone(files[path]), text...) }
}

func TestRefusedBranchIsFollowedAgainOnceItIsRight(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	w.mustStep()
	w.publish(desire{generation: 2, signer: newSigner(t)})
	_, _ = w.step()
	w.publish(desire{generation: 3})
	w.mustStep()
	got, _ := w.status("dev")
	if c := w.condition("Fetched"); c.Status != "True" || got.Observed.Generation != 3 {
		t.Errorf("Fetched is %+v, generation %d", c, got.Observed.Generation)
	}
}

func TestUnreadableOwnStatusSaysHowToGoOn(t *testing.T) {
	w := newWorld(t)
	w.publish(desire{})
	if _, err := (Repository{w.repo, w.hub}).Write(t.Context(), "dev", "", Report{When: start, Subject: "x", Data: []byte("\t:")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.step()
	if err == nil || !strings.Contains(err.Error(), schemas.InfraStatusRef("dev")) {
		t.Errorf("error %v, want the ref named", err)
	}
	if calls := w.cloud.take(); calls != nil {
		t.Errorf("provider was called: %v", calls)
	}
}

func TestStatusOfALaterVersionIsUnderstood(t *testing.T) {
	body, err := decode([]byte("kind: InfraStatus\nstatus: {uid: u, sequence: 4, phase: Ready, laterField: {a: 1}}\n"))
	if err != nil || body.UID != "u" || body.Sequence != 4 {
		t.Errorf("decode: %+v, %v", body, err)
	}
}

func FuzzRootManifest(f *testing.F) {
	f.Add([]byte("kind: DesiredCluster\napiVersion: branchline.dev/v1alpha1\nmetadata: {name: dev}\nspec: {tenant: acme, uid: u, generation: 1}\n"))
	f.Add([]byte("spec: {tombstone: {uid: x}}"))
	f.Add([]byte("&a [*a, *a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c schemas.DesiredCluster
		if schemas.Unmarshal(data, &c) != nil || addressed(tenant, "dev", c) != nil {
			return
		}
		if c.Spec.Tenant != tenant || c.Metadata.Name != "dev" || c.Spec.UID == "" || c.Spec.Generation < 1 {
			t.Errorf("accepted: %+v", c)
		}
		if tomb := c.Spec.Tombstone; tomb != nil && tomb.UID != c.Spec.UID {
			t.Errorf("accepted the tombstone of another cluster: %+v", c)
		}
	})
}

func FuzzDecodeStatus(f *testing.F) {
	f.Add([]byte("kind: InfraStatus\nstatus: {conditions: [{type: Ready, lastTransitionTime: never}]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := decode(data)
		if err != nil {
			return
		}
		d := &desired{cluster: schemas.DesiredCluster{Spec: schemas.DesiredClusterSpec{
			UID: body.UID, Tombstone: &schemas.Tombstone{UID: body.UID, DeletedAt: at(start)},
		}}}
		if p, err := decide(d, body, start, time.Hour); err != nil || p.action == actConverge {
			t.Errorf("decide: %+v, %v", p, err)
		}
	})
}
