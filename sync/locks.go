package sync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// staleLock is the age at which a lock file belongs to nobody any more. git
// holds one for milliseconds; it stays only if git is killed without warning or
// the machine stops, and would block its ref for ever.
const staleLock = 30 * time.Second

// removeStaleQuarantines removes the objects of pushes that were never decided
// because git was killed. Every push is decided within an hour.
func (r *Repository) removeStaleQuarantines() error {
	folders, err := filepath.Glob(filepath.Join(r.dir, "objects", "tmp_objdir-*"))
	if err != nil {
		return fmt.Errorf("find stale objects: %w", err)
	}
	for _, folder := range folders {
		if info, err := os.Lstat(folder); err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove stale objects: %w", err)
		}
	}
	return nil
}

// lockFiles lists the lock files of all refs and of the repository itself.
func lockFiles(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "*.lock"))
	// What cannot be read here fails where it is used.
	_ = filepath.WalkDir(filepath.Join(dir, "refs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".lock") {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// refLocks lists the lock files that an update of refs needs.
func (r *Repository) refLocks(refs ...string) []string {
	paths := []string{filepath.Join(r.dir, "packed-refs.lock")}
	for _, ref := range refs {
		paths = append(paths, filepath.Join(r.dir, filepath.FromSlash(ref))+".lock")
	}
	return paths
}

// removeStaleLocks removes those of paths that are old. The age is measured by
// the clock of the machine, as is the time of a file.
func (r *Repository) removeStaleLocks(paths ...string) error {
	for _, path := range paths {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(info.ModTime()) < staleLock {
			continue
		}
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove stale lock: %w", err)
		}
	}
	return nil
}
