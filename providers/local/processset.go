package local

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// A processSet runs the programs of one cluster and records them in its state.
type processSet struct {
	dir     string // of the cluster
	spawner *spawner
	state   *state
	log     *slog.Logger
	now     func() time.Time

	byName map[string]*process
	order  []string // in which they were first started
}

func newProcessSet(dir string, spawner *spawner, state *state, log *slog.Logger, now func() time.Time) *processSet {
	return &processSet{dir: dir, spawner: spawner, state: state, log: log, now: now, byName: map[string]*process{}}
}

func (s *processSet) running(name string) bool { return s.byName[name].running() }

// ensure starts the program if it does not run as the command says. It returns
// what happened to it, for people, if it had ended by itself; while it waits
// before the next start, running(c.name) is false.
func (s *processSet) ensure(ctx context.Context, c command) (incident string, err error) {
	old := s.byName[c.name]
	failures := 0
	switch {
	case old == nil:
	case old.running() && old.command.equal(c):
		if s.now().Sub(old.started) > stableAfter {
			old.failures = 0
		}
		return "", nil
	case old.running():
		old.halt(ctx)
	default:
		incident = fmt.Sprintf("%s ended (%s)", c.name, old.ending())
		failures = old.failures + 1
		if s.now().Sub(old.started) < backoff(failures) {
			return incident + " and will be started again", nil
		}
		incident += " and was started again"
	}
	p, err := launch(s.spawner, c, filepath.Join(s.dir, "logs"), s.now())
	if err != nil {
		return incident, err
	}
	p.failures = failures
	if old == nil {
		s.order = append(s.order, c.name)
	}
	s.byName[c.name] = p
	s.log.Info("process started", "process", c.name, "pid", p.cmd.Process.Pid, "incident", incident)
	return incident, s.record(c.name, p.cmd.Process.Pid)
}

// record remembers a process for the provider that comes after this one.
func (s *processSet) record(name string, pid int) error {
	identity, err := identify(pid)
	if err != nil {
		return nil // it has ended already; the next step sees that
	}
	s.state.Processes[name] = identity
	return s.state.write(s.dir)
}

// stopAll stops every program, the last started first, each within its grace.
func (s *processSet) stopAll(ctx context.Context) error {
	for len(s.order) > 0 {
		last := s.order[len(s.order)-1]
		s.stop(ctx, last)
	}
	return s.state.write(s.dir)
}

func (s *processSet) stop(ctx context.Context, name string) {
	s.byName[name].halt(ctx)
	s.log.Info("process stopped", "process", name)
	delete(s.byName, name)
	delete(s.state.Processes, name)
	for i, other := range s.order {
		if other == name {
			s.order = append(s.order[:i], s.order[i+1:]...)
			return
		}
	}
}
