package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// bed is what a group of measurements stands on.
type bed struct {
	dir   string // for everything it writes
	quick bool
}

func (b bed) path(name string) string { return filepath.Join(b.dir, name) }

// size is the full one, or a small one to see that everything runs.
func (b bed) size(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// program finds one of the programs that "make build" makes. They are looked for
// below the working directory: bench is run from the top of the tree.
func program(name string) (string, error) {
	path, err := filepath.Abs(filepath.Join("bin", name))
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("find %s: %w; run \"make build\", and bench from the top of the tree", name, err)
	}
	return path, nil
}

// commitTime is that of every commit made here, so that equal runs make equal
// objects.
func commitTime() time.Time { return time.Unix(1_700_000_000, 0) }

func writeSecret(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }
