package sync

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The bounds of the part of a push that names refs.
const (
	maxCommands     = 1000
	maxCommandBytes = 1 << 20
)

// pushCommands is what a push asks for (gitprotocol-pack(5), "Reference Update
// Request").
type pushCommands struct {
	changes      []RefChange
	capabilities []string
}

func (p *pushCommands) refs() []string { return refNames(p.changes) }

// readCommands reads up to the flush packet before the pack.
func readCommands(in io.Reader) (*pushCommands, error) {
	in = &cappedReader{in, maxCommandBytes}
	p := &pushCommands{}
	for {
		kind, line, err := readPacket(in)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("push: commands are cut off: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fmt.Errorf("push: %w", err)
		case kind == packetFlush:
			return p, nil
		case kind != packetData:
			return nil, fmt.Errorf("push: %w", errBadPacket)
		}
		if err := p.command(string(line)); err != nil {
			return nil, fmt.Errorf("push: %w", err)
		}
	}
}

func (p *pushCommands) command(line string) error {
	line, capabilities, first := strings.Cut(line, "\x00")
	line = strings.TrimSuffix(line, "\n")
	if first {
		p.capabilities = strings.Fields(capabilities)
	}
	if boundary, ok := strings.CutPrefix(line, "shallow "); ok {
		_, err := parseID(boundary) // where the history of a shallow clone ends
		return err
	}
	fields := strings.SplitN(line, " ", 3)
	if len(fields) != 3 {
		return fmt.Errorf("command %q is not understood", clip(line)) // such as a signed push, which is not offered
	}
	for _, id := range fields[:2] {
		if _, err := parseID(id); err != nil {
			return err
		}
	}
	if len(p.changes) == maxCommands {
		return fmt.Errorf("more than %d refs at once", maxCommands)
	}
	p.changes = append(p.changes, RefChange{Ref: fields[2], Old: fields[0], New: fields[1]})
	return nil
}

// refusal is the report that git shows for a push of which nothing is taken.
func (p *pushCommands) refusal(reason string) []byte {
	report := appendPacket(nil, "unpack ok\n")
	for _, change := range p.changes {
		report = appendPacket(report, fmt.Sprintf("ng %s %s\n", change.Ref, strings.ReplaceAll(reason, "\n", " ")))
	}
	report = appendFlush(report)
	if !slices.Contains(p.capabilities, "side-band-64k") {
		return report
	}
	var banded []byte
	for chunk := range slices.Chunk(report, maxPacket-5) {
		banded = appendPacket(banded, string([]byte{bandData})+string(chunk))
	}
	return appendFlush(banded)
}

// replayReader keeps what is read from it, so that git can be given the request
// from its start after the commands have been looked at.
type replayReader struct {
	in   io.Reader
	kept bytes.Buffer
}

func (r *replayReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.kept.Write(p[:n])
	return n, err
}

// rewound gives everything once more and keeps nothing.
func (r *replayReader) rewound() io.Reader { return io.MultiReader(&r.kept, r.in) }
