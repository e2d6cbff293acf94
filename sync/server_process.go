package sync

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"time"
)

// protocolVersions is what a client may ask for in the header Git-Protocol. It
// reaches git's environment, so nothing else passes.
var protocolVersions = regexp.MustCompile(`^version=[012]$`)

const (
	receivePackCommand = "receive-pack"
	// abandonedPush is how long a push whose client is gone may take to end.
	abandonedPush = 30 * time.Second
)

// service runs one of git's server programs on the call's repository.
func (s *Server) service(c *call, stdin io.Reader, stdout io.Writer, extraEnv []string, args ...string) error {
	ctx := c.r.Context()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fmt.Errorf("git %s: waited for a free process: %w", args[0], context.Cause(ctx))
	}
	settings := append(c.principal.settings(s.maxPack(c.principal)), "core.hooksPath="+c.repo.hooksDir())
	cmd := c.repo.bareCommand(ctx, append(args, c.repo.dir)...)
	if args[0] == receivePackCommand {
		// A signal would make it leave its quarantined objects behind. It ends by
		// itself: its input ends with the request, and the hook refuses.
		cmd.Cancel = func() error { return nil }
		cmd.WaitDelay = abandonedPush
	}
	cmd.Env = append(c.repo.environment(settings...), extraEnv...)
	if version := c.r.Header.Get("Git-Protocol"); protocolVersions.MatchString(version) {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+version)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &cappedWriter{&stderr, 64 << 10}
	err := cmd.Run()
	killGroup(cmd)
	if err != nil {
		return c.repo.failure(ctx, args, err, stderr.String())
	}
	return nil
}

// maxPack bounds what one principal may push at once.
func (s *Server) maxPack(p Principal) int64 {
	if p.Kind == Agent {
		return maxStatusPush
	}
	return s.options.MaxPackBytes
}

// cappedWriter keeps the first bytes and drops the rest.
type cappedWriter struct {
	out  io.Writer
	left int
}

func (w *cappedWriter) Write(p []byte) (int, error) {
	keep := min(len(p), w.left)
	w.left -= keep
	if _, err := w.out.Write(p[:keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}
