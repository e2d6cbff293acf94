// Package source reads a tenant repository from a person's disk: the files as
// they are now, and, if the directory is the root of a Git work tree, which
// commit they are and which desired state was fetched last. It needs no git
// program.
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
	Files fs.FS
	// Commit is the full hexadecimal name of the commit that Files equals, or NoCommit.
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
	source := &Source{Files: os.DirFS(dir), Commit: NoCommit}
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
		return nil, fmt.Errorf("finding the commit of %s: %w", dir, err)
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

// identify finds the commit that the files equal. In a shallow clone the number
// of its ancestors is unknown, so it counts as none.
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

// readPrevious reads the desired branches: those that a clone tracks, and the
// repository's own.
func (s *Source) readPrevious(repository *git.Repository) error {
	s.Previous = map[string]schemas.DesiredCluster{}
	for _, prefix := range []string{"refs/remotes/origin/desired/", schemas.DesiredRef("")} {
		refs, err := repository.References()
		if err != nil {
			return err
		}
		err = refs.ForEach(func(ref *plumbing.Reference) error {
			cluster, ok := strings.CutPrefix(ref.Name().String(), prefix)
			if !ok || ref.Type() != plumbing.HashReference {
				return nil
			}
			manifest, err := readManifest(repository, ref.Hash())
			if err != nil {
				return fmt.Errorf("%s: %w", ref.Name(), err)
			}
			s.Previous[cluster] = manifest
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
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
