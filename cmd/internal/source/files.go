package source

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"golang.org/x/tools/txtar"
)

// The bounds of one commit, which are those of a hub.
const (
	maxFiles      = 200_000 // files and folders
	maxFileBytes  = 16 << 20
	maxTotalBytes = 512 << 20
	maxDepth      = 32
)

// readFiles reads the whole tree of a commit into memory.
func readFiles(ctx context.Context, objects storer.EncodedObjectStorer, commit *object.Commit) (fs.FS, error) {
	tree, err := commit.Tree()
	if err != nil {
		return nil, err
	}
	r := treeReader{objects: objects, archive: &txtar.Archive{}}
	if err := r.folder(ctx, "", tree, 1); err != nil {
		return nil, err
	}
	// An archive that is never written: it has the file system that is wanted.
	return txtar.FS(r.archive)
}

// treeReader walks by itself: go-git's walker takes a folder that is missing for
// the end of the tree, and its clusters would seem to be removed.
type treeReader struct {
	objects storer.EncodedObjectStorer
	archive *txtar.Archive
	visited int
	bytes   int64
}

func (r *treeReader) folder(ctx context.Context, parent string, tree *object.Tree, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s is more than %d folders deep", parent, maxDepth)
	}
	for i := range tree.Entries {
		entry := &tree.Entries[i]
		if !fs.ValidPath(entry.Name) || entry.Name == "." || strings.ContainsAny(entry.Name, `/\`) {
			return fmt.Errorf("the folder %q holds the invalid name %q", parent, entry.Name)
		}
		name := path.Join(parent, entry.Name)
		if r.visited++; r.visited > maxFiles {
			return fmt.Errorf("it holds more than %d files and folders", maxFiles)
		}
		if err := r.entry(ctx, name, entry, depth); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *treeReader) entry(ctx context.Context, name string, entry *object.TreeEntry, depth int) error {
	switch entry.Mode {
	case filemode.Regular, filemode.Executable:
		data, err := r.file(entry)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.archive.Files = append(r.archive.Files, txtar.File{Name: name, Data: data})
		return nil
	case filemode.Dir:
		tree, err := object.GetTree(r.objects, entry.Hash)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return r.folder(ctx, name, tree, depth+1)
	case filemode.Symlink:
		return fmt.Errorf("%s is a symbolic link; replace it by a copy of the file", name)
	case filemode.Submodule:
		return fmt.Errorf("%s is a submodule; put its files into the repository", name)
	}
	return fmt.Errorf("%s has the unknown mode %s", name, entry.Mode)
}

func (r *treeReader) file(entry *object.TreeEntry) ([]byte, error) {
	size, err := r.objects.EncodedObjectSize(entry.Hash)
	if err != nil {
		return nil, err
	}
	if size > maxFileBytes {
		return nil, fmt.Errorf("it has %d bytes, more than the %d allowed", size, maxFileBytes)
	}
	if r.bytes += size; r.bytes > maxTotalBytes {
		return nil, fmt.Errorf("with it the files have more than the %d bytes allowed in all", maxTotalBytes)
	}
	blob, err := object.GetBlob(r.objects, entry.Hash)
	if err != nil {
		return nil, err
	}
	content, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return io.ReadAll(content)
}
