package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// runGit runs the git program on the repository and gives what it wrote to
// stdout. Its environment holds nothing of this process but PATH and TMPDIR: no
// GIT_ variables, no user or system configuration.
func (r *Repository) runGit(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := r.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, r.failure(ctx, args, err, stderr.String())
	}
	// git lists what it can read, warns of the rest and reports success: that
	// must never look like a short list.
	if stderr.Len() > 0 {
		return nil, r.failure(ctx, args, errors.New("warning"), stderr.String())
	}
	return stdout.Bytes(), nil
}

func (r *Repository) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := r.bareCommand(ctx, append([]string{"--git-dir=" + r.dir}, args...)...)
	cmd.Env = append(r.environment(), r.quarantine...)
	return cmd
}

// bareCommand leaves repository and environment to the caller.
func (r *Repository) bareCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.git, args...)
	cmd.Dir = r.dir
	ownGroup(cmd)
	return cmd
}

func (r *Repository) environment(config ...string) []string {
	env := []string{
		"LC_ALL=C", // messages are shown to people, never parsed
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_NO_REPLACE_OBJECTS=1",
	}
	for _, name := range []string{"PATH", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// Whoever runs the hub chose the folder; who owns it may differ, as on a mounted volume.
	return append(env, configEnvironment(append([]string{"safe.directory=" + r.dir}, config...))...)
}

// configEnvironment passes settings ("key=value") for one run of git and those
// that it starts.
func configEnvironment(settings []string) []string {
	env := []string{fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings))}
	for i, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
	}
	return env
}

func (r *Repository) failure(ctx context.Context, args []string, err error, stderr string) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause // not "signal: terminated"
	}
	if text := strings.TrimSpace(stderr); text != "" {
		return fmt.Errorf("git %s in %s: %w: %s", args[0], r.dir, err, text)
	}
	return fmt.Errorf("git %s in %s: %w", args[0], r.dir, err)
}

// exitCode is the exit status in err, or -1.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
