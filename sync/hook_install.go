package sync

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Environment variables that lead from Server through git to RunHook.
const (
	hookProgramVariable = "BRANCHLINE_HOOK_PROGRAM" // a command line for sh
	hookURLVariable     = "BRANCHLINE_HOOK_URL"
	hookSecretVariable  = "BRANCHLINE_HOOK_SECRET"
)

// hookScript fails without a program to run, so that a push into the folder past
// the hub's endpoint is refused and not accepted unchecked.
const hookScript = `#!/bin/sh
# Written by branchline. It lets the hub check each push before any ref moves.
eval "exec ${` + hookProgramVariable + `:?pushes go through the hub: push to its URL}"
`

func (r *Repository) hooksDir() string { return filepath.Join(r.dir, "hooks") }

// installHook puts the pre-receive hook in place, atomically, if it is not there
// as it should be. git ignores a hook that it cannot run, so that is an error.
func (r *Repository) installHook() error {
	path := filepath.Join(r.hooksDir(), "pre-receive")
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read hook: %w", err)
	}
	if !bytes.Equal(have, []byte(hookScript)) || !executable(path) {
		if err := writeHook(path); err != nil {
			return fmt.Errorf("install hook: %w", err)
		}
	}
	if !executable(path) {
		return fmt.Errorf("install hook: %s cannot be run; keep the repository on a file system mounted without noexec", path)
	}
	return nil
}

func writeHook(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".pre-receive-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(hookScript)
	if err := errors.Join(err, temp.Chmod(0o755), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
