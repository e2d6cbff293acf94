package providertest

import (
	"os"
	"path/filepath"
	"testing"
)

// ProgramsVariable names a folder with programs to use instead of bin/.
const ProgramsVariable = "BRANCHLINE_BIN"

// Program is the path of a program that `make build` puts into bin/ at the root
// of the module; the test fails if it is missing.
func Program(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv(ProgramsVariable)
	if folder == "" {
		folder = filepath.Join(moduleRoot(t), "bin")
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("program %s is missing from %s: run \"make build\" first, or set %s", name, folder, ProgramsVariable)
	}
	return path
}

// moduleRoot is the folder of the nearest go.mod above the test's own folder.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod in this folder or above it: run the tests inside the module")
		}
		dir = parent
	}
}
