package local

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
)

// The conditions beside schemas.ConditionReady.
const (
	conditionControlPlane = "ControlPlaneReady" // the API server serves; controllers and scheduler run
	conditionNodes        = "NodesReady"        // every desired node exists and is ready
	conditionAgent        = "AgentRunning"      // the agent is installed as told and its process runs
)

// How long until the next step: shortly while something is being made, and soon
// enough to see a process that died or a node that went otherwise.
const (
	busyInterval  = 250 * time.Millisecond
	watchInterval = 2 * time.Second
)

// Converge implements providers.Provider.
func (p *Provider) Converge(ctx context.Context, c providers.Cluster) (providers.Observation, error) {
	dir, err := p.directory(c)
	if err != nil {
		return providers.Observation{}, err
	}
	version, err := p.kubernetesVersion(ctx)
	if err != nil {
		return providers.Observation{}, err
	}
	if reason := unsupported(c.Desired.Kubernetes, version); reason != "" {
		return refused("UnsupportedVersion", reason), nil
	}
	opened, err := p.open(dir, c)
	if err != nil {
		return providers.Observation{}, err
	}
	opened.mu.Lock()
	defer opened.mu.Unlock()
	if opened.closed {
		return providers.Observation{}, errClosed
	}
	s := &step{provider: p, cluster: c, plane: opened.plane, version: version}
	return s.run(ctx)
}

func refused(reason, message string) providers.Observation {
	return providers.Observation{
		Phase:      schemas.InfraDegraded,
		Conditions: []schemas.Condition{{Type: schemas.ConditionReady, Status: "False", Reason: reason, Message: message}},
	}
}

// step is one call of Converge under way.
type step struct {
	provider *Provider
	cluster  providers.Cluster
	plane    *plane
	version  string

	seen      providers.Observation
	incidents []string // programs that ended by themselves
	broken    bool     // something is wrong, rather than not finished
}

// run makes each part in turn; a part that is not there yet ends the step.
func (s *step) run(ctx context.Context) (providers.Observation, error) {
	for _, part := range []func(context.Context) (done bool, err error){
		s.controlPlane,
		s.nodes,
		s.agent,
	} {
		done, err := part(ctx)
		if err != nil {
			return providers.Observation{}, fmt.Errorf("converge local cluster %s: %w", s.cluster.Name, err)
		}
		if !done {
			break
		}
	}
	return s.conclude()
}

func (s *step) controlPlane(ctx context.Context) (bool, error) {
	ready, incidents, err := s.plane.step(ctx)
	if err != nil {
		return false, err
	}
	s.incidents = append(s.incidents, incidents...)
	s.seen.Endpoint = serverURL(s.plane.state.Ports.APIServer)
	if err := s.provider.publishKubeconfig(s.plane); err != nil {
		return false, err
	}
	if !ready {
		s.broken = s.plane.state.WasReady
		s.condition(conditionControlPlane, false, "Starting", "the API server does not serve yet")
		return false, nil
	}
	s.seen.KubernetesVersion = s.version
	s.condition(conditionControlPlane, true, "Serving", "")
	return true, nil
}

func (s *step) nodes(ctx context.Context) (bool, error) {
	if err := s.plane.freeNodes(ctx); err != nil {
		return false, err
	}
	incident, err := s.plane.processes.ensure(ctx, s.plane.kwok(s.provider.options.Kwok, s.plane.kubeconfigs))
	if err != nil {
		return false, err
	}
	if incident != "" {
		s.incidents = append(s.incidents, incident)
	}
	live, err := s.plane.liveNodes(ctx)
	if err != nil {
		return false, err
	}
	plan := planNodes(live, wantedNodes(s.cluster.Name, s.cluster.Desired.NodePools, s.version))
	err = s.plane.applyNodes(ctx, plan)
	s.seen.Nodes = nodeStatuses(live)
	if apierrors.IsInvalid(err) {
		s.broken = true
		s.condition(conditionNodes, false, "NodeRefused", err.Error())
		return true, nil // the agent can do without
	}
	if err != nil {
		return false, err
	}
	ready := 0
	for _, n := range s.seen.Nodes {
		if n.Phase == nodeReady {
			ready++
		}
	}
	done := plan.empty() && ready == len(s.seen.Nodes)
	if done {
		s.condition(conditionNodes, true, "AsDesired", "")
	} else {
		s.condition(conditionNodes, false, "Progressing", "nodes are being made, changed or removed")
	}
	return true, nil
}

func (s *step) agent(ctx context.Context) (bool, error) {
	installed, outdated := s.plane.bootstrapAgent(ctx, s.cluster.Agent)
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	if !installed.exists {
		s.agentFailed("NotInstalled", outdated)
		return true, nil
	}
	// The service account may be a new one, which old tokens are not for.
	renew := installed.applied || !s.plane.processes.running(agentName)
	if err := s.plane.ensureAgentToken(ctx, renew); err != nil {
		s.plane.intactSeen = time.Time{} // the service account may be gone
		s.agentFailed("NoServiceAccountToken", err)
		return true, ctx.Err()
	}
	inputs := s.plane.kubeconfigs + installed.inputs
	incident, err := s.plane.processes.ensure(ctx, s.plane.layout.agent(s.provider.options.Agent, inputs))
	if err != nil {
		return false, err
	}
	switch {
	case incident != "":
		s.incidents = append(s.incidents, incident)
		s.condition(conditionAgent, false, "Ended", incident)
		return true, nil
	case outdated != nil:
		s.agentFailed("NotUpdated", outdated) // the agent runs on as it was installed
	default:
		s.condition(conditionAgent, true, "Running", installed.doubt)
	}
	s.seen.AgentPublicKey, err = s.plane.agentPublicKey(ctx)
	return true, err
}

func (s *step) agentFailed(reason string, err error) {
	s.broken = s.plane.state.WasReady
	s.condition(conditionAgent, false, reason, err.Error())
}

func (s *step) condition(kind string, holds bool, reason, message string) {
	status := "False"
	if holds {
		status = "True"
	}
	s.seen.Conditions = append(s.seen.Conditions, schemas.Condition{Type: kind, Status: status, Reason: reason, Message: message})
}

// conclude sums up the step in the phase and the condition Ready.
func (s *step) conclude() (providers.Observation, error) {
	var missing []string
	reached := map[string]bool{}
	for _, c := range s.seen.Conditions {
		reached[c.Type] = c.Status == "True"
	}
	for _, kind := range []string{conditionControlPlane, conditionNodes, conditionAgent} {
		if !reached[kind] {
			missing = append(missing, kind)
		}
	}
	s.seen.RequeueAfter = busyInterval
	state := s.plane.state
	switch {
	case len(s.incidents) > 0:
		s.seen.Phase = schemas.InfraDegraded
		s.condition(schemas.ConditionReady, false, "ProcessEnded", strings.Join(s.incidents, "; "))
	case len(missing) > 0:
		s.seen.Phase = s.unfinished()
		s.condition(schemas.ConditionReady, false, "Progressing", "not yet true: "+strings.Join(missing, ", "))
	default:
		s.seen.Phase = schemas.InfraReady
		s.condition(schemas.ConditionReady, true, "AsDesired", "")
		if s.seen.AgentPublicKey != "" {
			s.seen.RequeueAfter = watchInterval
		}
		if !state.WasReady {
			state.WasReady = true
			return s.seen, state.write(s.plane.dir)
		}
	}
	return s.seen, nil
}

func (s *step) unfinished() schemas.InfraPhase {
	switch {
	case s.broken:
		return schemas.InfraDegraded
	case s.plane.state.WasReady:
		return schemas.InfraUpdating
	default:
		return schemas.InfraProvisioning
	}
}
