package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"branchline.dev/branchline/sync"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/storage/filesystem"
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
	if _, err := os.Stat(dir); err != nil {
		return "", "", err // looking upwards would find somebody else's repository
	}
	repository, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		// Looking upwards comes second: it passes over a bare repository.
		repository, err = git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	}
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
	if gitDir, err = commonDir(storage.Filesystem().Root()); err != nil {
		return "", "", err
	}
	remote, err := repository.Remote("origin")
	if errors.Is(err, git.ErrRemoteNotFound) {
		return gitDir, "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("reading the configuration of %s: %w", dir, err)
	}
	urls := remote.Config().URLs
	if len(urls) == 0 {
		return "", "", fmt.Errorf("the remote \"origin\" of %s has no URL; name the repository: --repository URL|DIR", dir)
	}
	return gitDir, urls[0], nil
}

// commonDir leads from the Git directory of a linked work tree to that of its
// repository (gitrepository-layout(5), commondir).
func commonDir(gitDir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(gitDir, "commondir"))
	if errors.Is(err, fs.ErrNotExist) {
		return gitDir, nil
	}
	if err != nil {
		return "", fmt.Errorf("opening the Git repository in %s: %w", gitDir, err)
	}
	common := strings.TrimSpace(string(data))
	if !filepath.IsAbs(common) {
		common = filepath.Join(gitDir, common)
	}
	return common, nil
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
