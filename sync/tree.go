package sync

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// The modes of tree entries as they stand in tree objects.
const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeFolder     = "40000"
)

type treeEntry struct {
	mode string
	name string
	id   objectID
}

// sortKey orders entries as git does: a folder as if its name ended in a slash.
func (e treeEntry) sortKey() string {
	if e.mode == modeFolder {
		return e.name + "/"
	}
	return e.name
}

func compareEntries(a, b treeEntry) int { return strings.Compare(a.sortKey(), b.sortKey()) }

// parseTree reads a tree object. It refuses all that a well-behaved writer never
// writes, and every kind of entry but files and folders; executables is whether
// executable files pass as plain ones.
func parseTree(data []byte, executables bool) ([]treeEntry, error) {
	var entries []treeEntry
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte{' '})
		if !ok {
			return nil, errors.New("tree is cut off")
		}
		name, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok || len(rest) < len(objectID{}) {
			return nil, errors.New("tree is cut off")
		}
		entry := treeEntry{string(mode), string(name), objectID(rest[:20])}
		if err := checkEntry(&entry, executables); err != nil {
			return nil, err
		}
		if n := len(entries); n > 0 && compareEntries(entries[n-1], entry) >= 0 {
			return nil, fmt.Errorf("entry %q is a duplicate or out of order", entry.name)
		}
		entries = append(entries, entry)
		data = rest[20:]
	}
	return entries, checkDistinct(entries)
}

func checkEntry(entry *treeEntry, executables bool) error {
	if err := checkName(entry.name); err != nil {
		return err
	}
	switch entry.mode {
	case modeFile, modeFolder:
		return nil
	case modeExecutable:
		if executables {
			entry.mode = modeFile
			return nil
		}
		return fmt.Errorf("entry %q is executable; only plain files and folders are allowed", entry.name)
	case "120000":
		return fmt.Errorf("entry %q is a symbolic link; replace it by a copy of the file", entry.name)
	case "160000":
		return fmt.Errorf("entry %q is a submodule; put its files into the repository", entry.name)
	}
	return fmt.Errorf("entry %q has the unknown mode %q", entry.name, clip(entry.mode))
}

// checkDistinct refuses names that some file systems hold to be the same.
func checkDistinct(entries []treeEntry) error {
	seen := make(map[string]string, len(entries))
	for _, e := range entries {
		key := strings.ToLower(e.name)
		if other, ok := seen[key]; ok {
			return fmt.Errorf("entries %q and %q have the same name but for case; rename one", other, e.name)
		}
		seen[key] = e.name
	}
	return nil
}
