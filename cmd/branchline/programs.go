package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// program finds another program of Branchline: the one that a flag names, else
// the one beside this program, else the one in $PATH.
func program(flag, name string) (string, error) {
	if flag != "" {
		return filepath.Abs(flag)
	}
	if self, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(self); err == nil {
			self = resolved
		}
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("cannot find %s beside this program or in $PATH; \"make build\" builds it", name)
	}
	return filepath.Abs(found)
}

// programFlags name the programs that local clusters consist of.
type programFlags struct{ controlPlane, kwok, agent string }

func (f *programFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.controlPlane, "controlplane", "", "path of branchline-controlplane (default: beside this program, or in $PATH)")
	flags.StringVar(&f.kwok, "kwok", "", "path of kwok (default: beside this program, or in $PATH)")
	flags.StringVar(&f.agent, "agent", "", "path of branchline-agent (default: beside this program, or in $PATH)")
}

// find resolves every program or says which one is missing.
func (f programFlags) find() (programFlags, error) {
	var found programFlags
	var errs []error
	for _, p := range []struct {
		flag, name string
		into       *string
	}{
		{f.controlPlane, "branchline-controlplane", &found.controlPlane},
		{f.kwok, "kwok", &found.kwok},
		{f.agent, "branchline-agent", &found.agent},
	} {
		path, err := program(p.flag, p.name)
		*p.into = path
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}
