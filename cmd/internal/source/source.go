// Package source reads a tenant repository from a person's disk. A directory that
// is the root of a Git work tree without changes gives the commit, its files as a
// hub would read them, and the desired state that was fetched last; any other
// gives the files as they are now. It needs no git program. A commit that holds
// symbolic links or submodules is refused, as a hub refuses it.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"branchline.dev/branchline/schemas"
)

// NoCommit stands for a state of the files that is in no commit.
const NoCommit = "0000000000000000000000000000000000000000"

// Source is a tenant repository on disk.
type Source struct {
	// Files are those of Commit, whatever git ignores beside them; without a commit
	// they are those on disk.
	Files fs.FS
	// Commit is the full hexadecimal name of the commit that Files are of, or NoCommit.
	Commit string
	// Ancestors counts the commits reachable from Commit, itself included.
	Ancestors int64
	// Time of Commit.
	Time time.Time
	// Previous holds the root manifests of the desired branches, by cluster.
	Previous map[string]schemas.DesiredCluster
}

// Open reads dir. It fails if dir is not a directory, or if its Git repository
// cannot be read.
func Open(ctx context.Context, dir string) (*Source, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file; name the directory of a tenant repository", dir)
	}
	source := &Source{Files: os.DirFS(dir), Commit: NoCommit, Previous: map[string]schemas.DesiredCluster{}}
	repository, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return source, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the Git repository in %s: %w", dir, err)
	}
	if err := source.readPrevious(repository); err != nil {
		return nil, fmt.Errorf("reading the desired branches in %s: %w", dir, err)
	}
	if err := source.identify(ctx, repository); err != nil {
		return nil, fmt.Errorf("reading the commit of %s: %w", dir, err)
	}
	return source, nil
}

// TrustedKeys are those that the published desired state names, so that a
// render on this machine equals the hub's.
func (s *Source) TrustedKeys() []string {
	names := slices.Sorted(maps.Keys(s.Previous))
	if len(names) == 0 {
		return nil
	}
	return s.Previous[names[0]].Spec.TrustedKeys
}

// identify finds the commit that the work tree shows without changes, and takes
// the files from it: the work tree may also hold ignored files, which are in no
// commit. In a shallow clone the number of its ancestors is unknown, so it counts
// as none.
func (s *Source) identify(ctx context.Context, repository *git.Repository) error {
	head, err := repository.Head()
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil // nothing is committed yet
	}
	if err != nil {
		return err
	}
	if shallow, err := repository.Storer.Shallow(); err != nil || len(shallow) > 0 {
		return err
	}
	worktree, err := repository.Worktree()
	if err != nil {
		return err
	}
	status, err := worktree.Status()
	if err != nil || !status.IsClean() {
		return err
	}
	commit, err := repository.CommitObject(head.Hash())
	if err != nil {
		return err
	}
	if s.Ancestors, err = countReachable(ctx, repository, head.Hash()); err != nil {
		return err
	}
	if s.Files, err = readFiles(ctx, repository.Storer, commit); err != nil {
		return fmt.Errorf("commit %s: %w", commit.Hash, err)
	}
	s.Commit, s.Time = commit.Hash.String(), commit.Committer.When
	return nil
}

func countReachable(ctx context.Context, repository *git.Repository, from plumbing.Hash) (count int64, err error) {
	commits, err := repository.Log(&git.LogOptions{From: from})
	if err != nil {
		return 0, err
	}
	err = commits.ForEach(func(*object.Commit) error {
		count++
		return ctx.Err()
	})
	return count, err
}

// readPrevious reads the desired branches that the clone tracks.
func (s *Source) readPrevious(repository *git.Repository) error {
	refs, err := desiredRefs(repository)
	if err != nil {
		return err
	}
	for cluster, ref := range refs {
		if s.Previous[cluster], err = readManifest(repository, ref.Hash()); err != nil {
			return fmt.Errorf("%s: %w", ref.Name(), err)
		}
	}
	return nil
}

// desiredRefs finds the desired branch of each cluster: the one that was fetched,
// or, where none was, as in the hub's own repository, the local one. A local one
// beside a fetched one is somebody's old checkout.
func desiredRefs(repository *git.Repository) (map[string]*plumbing.Reference, error) {
	all, err := repository.References()
	if err != nil {
		return nil, err
	}
	fetched, local := map[string]*plumbing.Reference{}, map[string]*plumbing.Reference{}
	err = all.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		if cluster, ok := strings.CutPrefix(ref.Name().String(), "refs/remotes/origin/desired/"); ok {
			fetched[cluster] = ref
		} else if cluster, ok := strings.CutPrefix(ref.Name().String(), schemas.DesiredRef("")); ok {
			local[cluster] = ref
		}
		return nil
	})
	maps.Copy(local, fetched)
	return local, err
}

func readManifest(repository *git.Repository, id plumbing.Hash) (schemas.DesiredCluster, error) {
	var manifest schemas.DesiredCluster
	commit, err := repository.CommitObject(id)
	if err != nil {
		return manifest, err
	}
	file, err := commit.File(schemas.DesiredClusterFile)
	if err != nil {
		return manifest, fmt.Errorf("%s: %w", schemas.DesiredClusterFile, err)
	}
	text, err := file.Contents()
	if err != nil {
		return manifest, err
	}
	if err := schemas.Unmarshal([]byte(text), &manifest); err != nil {
		return manifest, fmt.Errorf("%s: %w", schemas.DesiredClusterFile, err)
	}
	return manifest, nil
}
