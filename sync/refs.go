package sync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Tip gives the commit that a branch points at. The error is ErrRefNotFound only
// if the repository was read and has no such branch.
func (r *Repository) Tip(ctx context.Context, ref string) (string, error) {
	if err := checkRef(ref); err != nil {
		return "", err
	}
	refs, err := r.Refs(ctx, ref)
	if err != nil {
		return "", err
	}
	if commit, ok := refs[ref]; ok {
		return commit, nil
	}
	return "", fmt.Errorf("%w: %s in %s", ErrRefNotFound, ref, r.dir)
}

// Refs gives the tips of all refs below prefix, a folder of refs such as
// refs/heads/desired/ or refs/remotes/origin/, or that ref itself. An empty result means that there are
// none; whatever could not be read is an error.
func (r *Repository) Refs(ctx context.Context, prefix string) (map[string]string, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if err := checkRefFolder(prefix); err != nil {
		return nil, err
	}
	out, err := r.runGit(ctx, nil, "for-each-ref", "--format=%(objectname) %(refname)", prefix)
	if err != nil {
		return nil, err
	}
	if err := r.checkReadable(prefix); err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		commit, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok {
			return nil, fmt.Errorf("list refs in %s: unexpected line %q", r.dir, clip(line))
		}
		refs[ref] = commit
	}
	return refs, nil
}

func checkRefFolder(folder string) error {
	if folder == "refs" {
		return nil
	}
	rest, ok := strings.CutPrefix(folder, "refs/")
	if !ok || len(folder) > maxPathBytes {
		return fmt.Errorf("%q is not a folder below refs/", clip(folder))
	}
	return checkRefParts(folder, rest)
}

// checkReadable finds folders of refs that git passed over in silence because it
// may not read them.
func (r *Repository) checkReadable(prefix string) error {
	root := filepath.Join(r.dir, filepath.FromSlash(prefix))
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil // packed, just moved, or below what is itself a ref
		}
		return fmt.Errorf("list refs in %s: %w", r.dir, err)
	})
}

// Ancestors counts the commits reachable from id, itself included.
func (r *Repository) Ancestors(ctx context.Context, id string) (int64, error) {
	if _, err := parseID(id); err != nil {
		return 0, err
	}
	out, err := r.runGit(ctx, nil, "rev-list", "--count", id)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("count ancestors of %s: %w", id, err)
	}
	return n, nil
}

// IsAncestor is whether old is reachable from new; a commit is its own ancestor.
func (r *Repository) IsAncestor(ctx context.Context, old, new string) (bool, error) {
	for _, id := range []string{old, new} {
		if _, err := parseID(id); err != nil {
			return false, err
		}
	}
	_, err := r.runGit(ctx, nil, "merge-base", "--is-ancestor", old, new)
	if exitCode(err) == 1 {
		return false, nil
	}
	return err == nil, err
}
