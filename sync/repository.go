package sync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Repository is a tenant's bare repository on local disk. It is safe for
// concurrent use, also by several processes.
type Repository struct {
	dir        string
	git        string   // path of the git program
	quarantine []string // environment that makes the objects of a push in progress readable
}

// repositorySettings are written into the configuration of each repository. What
// depends on who asks is passed with the request.
func repositorySettings() [][2]string {
	return [][2]string{
		// Housekeeping never runs inside a push.
		{"receive.autogc", "false"},
		{"gc.auto", "0"},
		{"maintenance.auto", "false"},
		// There are no alternates; without this each push lists all refs once more.
		{"core.alternateRefsCommand", "true"},
		{"receive.fsckObjects", "true"},
		{"receive.denyDeletes", "true"},
		// A ref must not survive a power cut that its objects did not.
		{"core.fsync", "objects,derived-metadata,reference"},
		// Wait for another writer of the same ref instead of failing at once.
		{"core.filesRefLockTimeout", "1000"},
		{"core.packedRefsTimeout", "5000"},
		{"core.logAllRefUpdates", "false"},
		{"uploadpack.allowFilter", "false"},
		{"uploadpack.allowAnySHA1InWant", "false"},
	}
}

// InitRepository makes a bare repository at dir, or brings the settings of the
// one that is there up to date. HEAD is refs/heads/main. It also removes what
// git processes left behind when they were killed.
func InitRepository(ctx context.Context, dir string) (*Repository, error) {
	r, err := newRepository(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.dir, 0o750); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	args := []string{"init", "--quiet", "--bare", "--template="}
	if _, err := os.Stat(filepath.Join(r.dir, "HEAD")); err != nil {
		args = append(args, "--object-format=sha1", "--initial-branch=main")
	}
	if _, err := r.runGit(ctx, nil, append(args, r.dir)...); err != nil {
		return nil, err
	}
	if err := r.configure(ctx); err != nil {
		return nil, err
	}
	if err := r.installHook(); err != nil {
		return nil, err
	}
	if err := errors.Join(r.removeStaleLocks(lockFiles(r.dir)...), r.removeStaleQuarantines()); err != nil {
		return nil, err
	}
	return r, nil
}

// configure writes the settings that differ.
func (r *Repository) configure(ctx context.Context) error {
	out, err := r.runGit(ctx, nil, "config", "--local", "--list", "-z")
	if err != nil {
		return err
	}
	have := map[string]string{}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		have[key] = value
	}
	for _, setting := range repositorySettings() {
		if have[strings.ToLower(setting[0])] == setting[1] {
			continue
		}
		if _, err := r.runGit(ctx, nil, "config", "--local", setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// OpenRepository opens a repository that InitRepository made.
func OpenRepository(dir string) (*Repository, error) {
	r, err := newRepository(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
			return nil, fmt.Errorf("open repository %s: %w; make one with InitRepository", dir, err)
		}
	}
	return r, nil
}

func newRepository(dir string) (*Repository, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New("find git: not in PATH; install git 2.38 or newer")
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("locate repository: %w", err)
	}
	return &Repository{dir: dir, git: git}, nil
}

// Dir is the absolute path of the repository.
func (r *Repository) Dir() string { return r.dir }
