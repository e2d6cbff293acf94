package local

import (
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"time"
)

// Options of a Provider.
type Options struct {
	// Dir holds the state of all clusters; it is made if missing. One Provider
	// at a time uses it.
	Dir string
	// ControlPlane, Kwok and Agent are the paths of the programs to run:
	// branchline-controlplane, kwok and branchline-agent.
	ControlPlane, Kwok, Agent string
	// Log receives starts and stops of processes; nil discards them.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// completed checks the options and fills in what was left out.
func (o Options) completed() (Options, error) {
	if o.Dir == "" {
		return o, fmt.Errorf("local clusters: no state directory; set Options.Dir")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("local clusters: state directory %s: %w", o.Dir, err)
	}
	o.Dir = dir
	programs := []struct {
		path *string
		what string
	}{
		{&o.ControlPlane, "control plane (branchline-controlplane)"},
		{&o.Kwok, "node simulator (kwok)"},
		{&o.Agent, "agent (branchline-agent)"},
	}
	for _, p := range programs {
		if *p.path, err = program(*p.path, p.what); err != nil {
			return o, err
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// program gives the absolute path of an executable file.
func program(path, what string) (string, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("find the %s program %q: %w; build it with `make build`", what, path, err)
	}
	return filepath.Abs(found)
}
