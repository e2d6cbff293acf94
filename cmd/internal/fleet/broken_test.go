package fleet

import (
	"strings"
	"testing"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// What is wrong with one cluster is that cluster's state, and the others are
// shown as ever.
func TestOneUnreadableClusterLeavesTheOthersReadable(t *testing.T) {
	status, manifest := schemas.StatusFile, schemas.DesiredClusterFile
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	tests := []struct {
		reason, ref, file, data string
		want                    string
	}{
		{"agent status malformed", schemas.AgentStatusRef("bad"), status, "a: [", "agent status: parse status.yaml"},
		{"agent status missing", schemas.AgentStatusRef("bad"), "other.yaml", "", "agent status: "},
		{"agent status of another kind", schemas.AgentStatusRef("bad"), status, "kind: InfraStatus", `is of kind "InfraStatus", not AgentStatus`},
		{"agent status of another type", schemas.AgentStatusRef("bad"), status, "kind: AgentStatus\nstatus: 1", "agent status: parse"},
		{"agent status a list", schemas.AgentStatusRef("bad"), status, "[1]", "agent status: parse"},
		{"agent status binary", schemas.AgentStatusRef("bad"), status, "\x00\xff\x1b[2J", "agent status: parse"},
		{"agent status a bomb", schemas.AgentStatusRef("bad"), status, bomb, "agent status: "},
		{"agent status huge", schemas.AgentStatusRef("bad"), status, strings.Repeat("#", 5<<20), "more than the 262144 allowed"},
		{"infrastructure status empty", schemas.InfraStatusRef("bad"), status, "", `infrastructure status: status.yaml of commit`},
		{"manifest malformed", schemas.DesiredRef("bad"), manifest, "\t", "desired state: parse cluster.yaml"},
		{"manifest missing", schemas.DesiredRef("bad"), status, "", "desired state: "},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			w := newWorld(t)
			w.publish()
			if tt.ref != schemas.DesiredRef("bad") {
				bad := w.desired
				bad.Metadata.Name = "bad"
				w.write(schemas.DesiredRef("bad"), manifest, w.renderer, bad, now)
			}
			w.writeFiles(tt.ref, map[string][]byte{tt.file: []byte(tt.data)}, w.renderer, now)
			clusters, err := Read(t.Context(), OnDisk{w.repository}, now)
			if err != nil || len(clusters) != 2 {
				t.Fatalf("clusters %+v, error %v", clusters, err)
			}
			bad, good := clusters[0], clusters[1]
			if bad.State != StateUnknown || !strings.Contains(bad.Message, tt.want) || bad.Agent != nil {
				t.Errorf("got %+v, want Unknown with %q", bad, tt.want)
			}
			if good.State != StateReady {
				t.Errorf("the other cluster is %s: %s", good.State, good.Message)
			}
		})
	}
}

func TestStatusesOfLaterVersionsAreRead(t *testing.T) {
	w := newWorld(t)
	w.write(schemas.DesiredRef("dev"), schemas.DesiredClusterFile, w.renderer, w.desired, now)
	for ref, document := range map[string]struct {
		content any
		signer  *sync.Signer
	}{
		schemas.InfraStatusRef("dev"): {w.infra, w.renderer},
		schemas.AgentStatusRef("dev"): {w.status, w.agent},
	} {
		data := append(encoded(t, document.content), "laterField: {a: 1}\n"...)
		w.writeFiles(ref, map[string][]byte{schemas.StatusFile: data}, document.signer, now)
	}
	clusters, err := Read(t.Context(), OnDisk{w.repository}, now)
	if err != nil || clusters[0].State != StateReady {
		t.Errorf("clusters %+v, error %v", clusters, err)
	}
}

func TestNoClustersAreAnEmptyList(t *testing.T) {
	clusters, err := Read(t.Context(), OnDisk{newWorld(t).repository}, now)
	if err != nil || clusters == nil || len(clusters) != 0 {
		t.Errorf("clusters %#v, error %v", clusters, err)
	}
}

// No status, whatever it holds, makes the command fail.
func FuzzStatus(f *testing.F) {
	f.Add([]byte("kind: AgentStatus\nmetadata: {name: dev}\nstatus: {tenant: acme, uid: u, driftCount: 1}\n"))
	f.Add([]byte("kind: AgentStatus\nmetadata: {name: dev}\nstatus: {tenant: acme, uid: u, pendingApprovals: [{}], layers: [{phase: Failed}]}\n"))
	f.Add([]byte("kind: InfraStatus\nmetadata: {name: dev}\nstatus: {tenant: acme, uid: u, phase: Ready}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tip := Tip{Commit: &sync.Commit{ID: "c"}, File: func(string) ([]byte, error) { return data, nil }}
		e := evidence{desired: &schemas.DesiredClusterSpec{Tenant: "acme", UID: "u", Generation: 1}}
		_ = e.readInfra(tip, "dev", nil) // never believed: it is not signed
		var agent schemas.AgentStatus
		err := decode(tip, schemas.StatusFile, &agent, &agent.TypeMeta, schemas.KindAgentStatus)
		if err == nil {
			e.agent, e.agentTime = &agent.Status, now
		}
		cluster := summarise("dev", e, err, now)
		if cluster.State == "" || len(Summary([]Cluster{cluster}, now).Rows) != 1 || e.infra != nil {
			t.Errorf("cluster %+v", cluster)
		}
	})
}
