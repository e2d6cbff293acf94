package sync

import (
	"fmt"
	"strings"
)

// PrincipalKind says what sort of client holds a token.
type PrincipalKind int

// The kinds of principals. The zero value has no rights.
const (
	// Person reads everything and moves refs/heads/main forward.
	Person PrincipalKind = iota + 1
	// Agent reads its cluster's desired and status branches and writes its own status.
	Agent
)

func (k PrincipalKind) String() string {
	switch k {
	case Person:
		return "person"
	case Agent:
		return "agent"
	}
	return "nobody"
}

// Principal is who sends a request.
type Principal struct {
	Kind PrincipalKind
	Name string
	// Cluster of an agent.
	Cluster string
}

func (p Principal) check() error {
	switch {
	case p.Kind == Person:
		return nil
	case p.Kind == Agent && !strings.Contains(p.Cluster, "/"):
		return checkRef(desiredRef(p.Cluster))
	}
	return fmt.Errorf("principal %q has no rights here", p.Name)
}

// The branches of one cluster, as laid out in the package comment.
func desiredRef(cluster string) string { return "refs/heads/desired/" + cluster }
func statusRefs(cluster string) string { return "refs/heads/status/" + cluster }
func agentRef(cluster string) string   { return statusRefs(cluster) + "/agent" }

// settings is the configuration of git for one request: what the principal sees
// and what git itself refuses, as a second line behind refuse.
func (p Principal) settings(maxPack int64) []string {
	common := []string{"receive.denyDeletes=true", fmt.Sprintf("receive.maxInputSize=%d", maxPack)}
	if p.Kind == Person {
		return append(common,
			"receive.denyNonFastForwards=true",
			"receive.hideRefs=refs/",
			"receive.hideRefs=!"+mainRef,
		)
	}
	// The last pattern that fits decides. HEAD would give away where main stands.
	return append(common,
		"receive.denyNonFastForwards=false", // a status is an orphan commit
		"transfer.hideRefs=HEAD",
		"transfer.hideRefs=refs/",
		"uploadpack.hideRefs=!"+desiredRef(p.Cluster),
		"transfer.hideRefs=!"+statusRefs(p.Cluster),
	)
}

// refuse says why the principal may not make a change, or "" if it may.
func (p Principal) refuse(c RefChange) string {
	if c.New == zeroID {
		return "deleting a branch is not allowed"
	}
	switch {
	case p.Kind == Person && c.Ref == mainRef:
		return ""
	case p.Kind == Person:
		return "people push to " + mainRef + " only; branchline writes the other branches"
	case p.Kind == Agent && c.Ref == agentRef(p.Cluster):
		return ""
	}
	return "this token may push to " + agentRef(p.Cluster) + " only"
}
