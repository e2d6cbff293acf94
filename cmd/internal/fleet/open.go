package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"golang.org/x/sync/errgroup"

	"branchline.dev/branchline/sync"
)

// Open finds the repository that a person names: an http(s) URL, which may hold
// user and token; a clone of one, which stands for where it was cloned from; or
// any other repository on disk. token is used if the URL holds none.
func Open(location, token string) (Reader, error) {
	if !isURL(location) {
		gitDir, origin, err := openClone(location)
		if err != nil {
			return nil, err
		}
		switch {
		case origin == "":
			return openDisk(gitDir)
		case !isURL(origin):
			return openOrigin(location, origin)
		}
		location = origin
	}
	address, err := url.Parse(location)
	if err != nil {
		return nil, errors.New("the repository's URL is not valid") // it may hold a token: not shown
	}
	remote := &sync.Remote{User: "branchline", Token: token}
	if address.User != nil {
		remote.User = address.User.Username()
		if password, set := address.User.Password(); set {
			remote.Token = password
		}
	}
	address.User = nil
	remote.URL = address.String()
	return online{remote}, nil
}

func isURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// openClone finds the Git directory that dir belongs to, and where it was cloned
// from, if it was.
func openClone(dir string) (gitDir, origin string, err error) {
	repository, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return "", "", fmt.Errorf("%s is no Git repository; name one: --repository URL|DIR", dir)
	}
	if err != nil {
		return "", "", fmt.Errorf("opening the Git repository in %s: %w", dir, err)
	}
	storage, ok := repository.Storer.(*filesystem.Storage)
	if !ok {
		return "", "", fmt.Errorf("the Git repository in %s is not on disk", dir)
	}
	remote, err := repository.Remote("origin")
	if errors.Is(err, git.ErrRemoteNotFound) {
		return storage.Filesystem().Root(), "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("reading the configuration of %s: %w", dir, err)
	}
	return storage.Filesystem().Root(), remote.Config().URLs[0], nil
}

// openOrigin opens the repository on disk that a clone came from.
func openOrigin(clone, origin string) (Reader, error) {
	path := strings.TrimPrefix(origin, "file://")
	if !filepath.IsAbs(path) {
		path = filepath.Join(clone, path)
	}
	gitDir, _, err := openClone(path)
	if err != nil {
		return nil, fmt.Errorf("%s was cloned from %s, which is neither an http(s) URL nor a directory here; name the repository: --repository URL|DIR", clone, origin)
	}
	return openDisk(gitDir)
}

func openDisk(gitDir string) (Reader, error) {
	repository, err := sync.OpenRepository(gitDir)
	if err != nil {
		return nil, err
	}
	return OnDisk{repository}, nil
}

// online reads a repository over smart HTTP.
type online struct{ remote *sync.Remote }

// atOnce is how many branches are fetched at a time.
const atOnce = 8

// Tips implements Reader.
func (r online) Tips(ctx context.Context, prefixes ...string) (map[string]Tip, error) {
	refs, err := r.remote.List(ctx, prefixes...)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(refs))
	for ref := range refs {
		names = append(names, ref)
	}
	tips := make([]Tip, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, ref := range names {
		group.Go(func() error {
			snapshot, err := r.remote.Fetch(ctx, ref, "")
			if err != nil {
				return err
			}
			tips[i], err = tipOf(snapshot)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	byRef := make(map[string]Tip, len(names))
	for i, ref := range names {
		byRef[ref] = tips[i]
	}
	return byRef, nil
}

func tipOf(snapshot *sync.Snapshot) (Tip, error) {
	commit, err := snapshot.Parsed()
	if err != nil {
		return Tip{}, fmt.Errorf("%s: %w", snapshot.Ref, err)
	}
	return Tip{Commit: commit, File: func(path string) ([]byte, error) {
		data, ok := snapshot.Files[path]
		if !ok {
			return nil, fmt.Errorf("%s holds no file %s", snapshot.Ref, path)
		}
		return data, nil
	}}, nil
}
