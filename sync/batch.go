package sync

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// batch reads objects through one "git cat-file --batch".
type batch struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr strings.Builder
}

var errNoObject = errors.New("object does not exist")

// withBatch calls read with a running batch and ends the process afterwards.
func (r *Repository) withBatch(ctx context.Context, read func(*batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := []string{"cat-file", "--batch"}
	b := &batch{cmd: r.command(ctx, args...)}
	b.cmd.Stderr = &b.stderr
	in, errIn := b.cmd.StdinPipe()
	out, errOut := b.cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return fmt.Errorf("read objects: %w", err)
	}
	b.in, b.out = in, bufio.NewReader(out)
	if err := b.cmd.Start(); err != nil {
		return r.failure(ctx, args, err, "")
	}
	err := read(b)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cancel() // it may be in the middle of an object that was too large
	_ = b.cmd.Wait()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return r.failure(ctx, args, errors.New("ended early"), b.stderr.String())
	}
	return err
}

func (b *batch) object(id objectID, kind objectKind, most int64) ([]byte, error) {
	// git ended if this fails; reading then says so.
	_, _ = fmt.Fprintln(b.in, id)
	line, err := b.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, id, io.ErrUnexpectedEOF)
	}
	var name, found string
	var size int64
	if strings.HasSuffix(line, " missing\n") {
		return nil, fmt.Errorf("read %s %s: %w", kind, id, errNoObject)
	}
	if _, err := fmt.Sscanf(line, "%s %s %d\n", &name, &found, &size); err != nil || name != id.String() {
		return nil, fmt.Errorf("read %s %s: unexpected answer %q", kind, id, clip(line))
	}
	if found != kind.String() {
		return nil, fmt.Errorf("object %s is a %s, not a %s", id, found, kind)
	}
	if size > most {
		return nil, fmt.Errorf("%s %s has %d bytes; at most %d are allowed", kind, id, size, most)
	}
	data := make([]byte, size+1) // a line end follows
	if _, err := io.ReadFull(b.out, data); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, id, io.ErrUnexpectedEOF)
	}
	return data[:size:size], nil
}
