package sync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// maxCommitBytes bounds one commit object.
const maxCommitBytes = 1 << 20

// sourceLimits bounds one commit of a tenant's source. Executable files are read
// as plain ones: people keep scripts beside their clusters, and nothing here
// runs them.
func sourceLimits() treeLimits {
	return treeLimits{files: 200_000, fileBytes: 16 << 20, totalBytes: 512 << 20, executables: true}
}

// Commit reads one commit.
func (r *Repository) Commit(ctx context.Context, id string) (*Commit, error) {
	var commit *Commit
	err := r.withBatch(ctx, func(b *batch) (err error) {
		commit, err = b.commit(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return commit, nil
}

func (b *batch) commit(id string) (*Commit, error) {
	oid, err := parseID(id)
	if err != nil {
		return nil, err
	}
	raw, err := b.object(oid, kindCommit, maxCommitBytes)
	if err != nil {
		return nil, err
	}
	return parseCommit(id, raw)
}

// Files reads the whole tree of a commit into memory. Symbolic links, submodules
// and names that a file system could misread are refused; executable files count
// as plain ones.
func (r *Repository) Files(ctx context.Context, commit string) (fs.FS, error) {
	var files map[string][]byte
	err := r.withBatch(ctx, func(b *batch) error {
		c, err := b.commit(commit)
		if err != nil {
			return err
		}
		tree, err := parseID(c.Tree)
		if err != nil {
			return err
		}
		files, err = readFiles(b, tree, sourceLimits())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read files of commit %s: %w", commit, err)
	}
	return newMemoryFS(files), nil
}

// File reads one file of a commit. The error wraps fs.ErrNotExist if the commit
// was read and has no file at path.
func (r *Repository) File(ctx context.Context, commit, path string) ([]byte, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	var data []byte
	err := r.withBatch(ctx, func(b *batch) error {
		c, err := b.commit(commit)
		if err != nil {
			return err
		}
		data, err = b.file(c.Tree, strings.Split(path, "/"))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s of commit %s: %w", path, commit, err)
	}
	return data, nil
}

func (b *batch) file(tree string, path []string) ([]byte, error) {
	id, err := parseID(tree)
	for i, name := range path {
		if err != nil {
			return nil, err
		}
		mode := modeFolder
		if i == len(path)-1 {
			mode = modeFile
		}
		id, err = b.entry(id, name, mode)
	}
	if err != nil {
		return nil, err
	}
	return b.object(id, kindBlob, sourceLimits().fileBytes)
}

func (b *batch) entry(tree objectID, name, mode string) (objectID, error) {
	data, err := b.object(tree, kindTree, maxTreeBytes)
	if err != nil {
		return objectID{}, err
	}
	entries, err := parseTree(data, true)
	if err != nil {
		return objectID{}, err
	}
	for _, e := range entries {
		if e.name != name {
			continue
		}
		if e.mode != mode {
			return objectID{}, errors.New("found a folder in place of a file or the reverse")
		}
		return e.id, nil
	}
	return objectID{}, fs.ErrNotExist
}
