package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// clone is the work tree of the person who pushes, driven by the git program
// as a person would.
type clone struct{ dir string }

// cloneInto replaces dir, in which an earlier demo may have died.
func cloneInto(ctx context.Context, dir, url string) (*clone, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	c := &clone{dir}
	if _, err := c.git(ctx, "clone", "--quiet", "--branch", "main", "--single-branch", url, "."); err == nil {
		return c, nil
	}
	// A repository without a commit has no branch to clone.
	if _, err := c.git(ctx, "init", "--quiet", "--initial-branch", "main"); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	if _, err := c.git(ctx, "remote", "add", "origin", url); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

func (c *clone) remove() error { return os.RemoveAll(c.dir) }

// git runs the program with the settings that it needs and nobody else's.
func (c *clone) git(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{
		"-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgSign=false", "-c", "gc.auto=0",
	}, args...)...)
	command.Dir = c.dir
	// The variables that git sets in a hook would lead to another repository.
	environment := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
	command.Env = append(environment, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "LC_ALL=C")
	var out, diagnostics bytes.Buffer
	command.Stdout, command.Stderr = &out, &diagnostics
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(diagnostics.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func (c *clone) copy(files fs.FS) error {
	return os.CopyFS(c.dir, files)
}

// edit replaces text in a file; that the text is there is part of the demo's
// contract with examples/quickstart.
func (c *clone) edit(file string, change func(string) (string, bool)) error {
	path := filepath.Join(c.dir, filepath.FromSlash(file))
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, ok := change(string(data))
	if !ok {
		return fmt.Errorf("%s is not as the demo expects it; nothing to change in it", file)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}

// push commits everything and pushes it; it returns the commit.
func (c *clone) push(ctx context.Context, message string) (string, error) {
	if _, err := c.git(ctx, "add", "--all"); err != nil {
		return "", err
	}
	if _, err := c.git(ctx, "commit", "--quiet", "--message", message); err != nil {
		return "", err
	}
	if _, err := c.git(ctx, "push", "--quiet", "origin", "main"); err != nil {
		return "", err
	}
	return c.git(ctx, "rev-parse", "HEAD")
}

// undo drops the last commit, which was not accepted.
func (c *clone) undo(ctx context.Context) error {
	_, err := c.git(ctx, "reset", "--quiet", "--hard", "HEAD~1")
	return err
}
