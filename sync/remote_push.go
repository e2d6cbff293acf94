package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Push makes one signed commit and moves one ref to it. It is ErrConflict if the
// ref was not where update expects it, and ErrUnauthorized if the server refused
// the credentials. Any other error may leave it open whether the ref has moved:
// pushing the same update again settles it.
func (r *Remote) Push(ctx context.Context, signer *Signer, update Update) (commit string, err error) {
	objects, commits, err := buildCommits(signer, []Update{update})
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	commit = commits[0]
	body := appendPacket(nil, fmt.Sprintf("%s %s %s\x00 report-status side-band-64k object-format=sha1 %s",
		update.expected(), commit, update.Ref, agentCapability))
	pack := bytes.NewBuffer(appendFlush(body))
	if err := writePack(pack, objects); err != nil {
		return "", fmt.Errorf("push %s: %w", update.Ref, err)
	}
	err = r.post(ctx, receivePack, pack.Bytes(), func(in io.Reader) error { return readReport(in, update.Ref) })
	if err == nil {
		return commit, nil
	}
	if errors.Is(err, errRefused) && r.settle(ctx, update, commit, &err) {
		return commit, nil
	}
	return "", fmt.Errorf("push %s: %w", update.Ref, err)
}

// errRefused means that the server looked at a push and did not take it.
var errRefused = errors.New("push refused")

// settle finds out why a push was refused, because servers say so only in words:
// the ref may stand elsewhere, or at this very commit since an earlier attempt
// whose answer was lost. It reports whether the ref is at commit.
func (r *Remote) settle(ctx context.Context, update Update, commit string, refusal *error) bool {
	id, err := r.tip(ctx, update.Ref)
	found := id.String()
	switch {
	case errors.Is(err, ErrRefNotFound):
		found = ""
	case err != nil:
		return false // the refusal stands
	}
	if found == commit {
		return true
	}
	if found != update.Expect {
		*refusal = conflict(update.Ref, update.Expect, found)
	}
	return false
}

// readReport reads the server's report on a push of one ref (gitprotocol-pack(5),
// "Report Status").
func readReport(in io.Reader, ref string) error {
	var said boundedText
	bands := &bandReader{in: io.LimitReader(in, maxListing), progress: said.add}
	unpacked, moved := "", ""
	for {
		kind, line, err := readPacket(bands)
		switch {
		case errors.Is(err, io.EOF) || err == nil && kind != packetData:
			return judgeReport(unpacked, moved, ref, said.String())
		case err != nil:
			return fmt.Errorf("report on the push: %w", err)
		}
		text := strings.TrimSuffix(string(line), "\n")
		switch {
		case strings.HasPrefix(text, "unpack "):
			unpacked = text
		case text == "ok "+ref || strings.HasPrefix(text, "ng "+ref+" "):
			moved = text
		}
	}
}

func judgeReport(unpacked, moved, ref, said string) error {
	reason, refused := strings.CutPrefix(moved, "ng "+ref+" ")
	switch {
	case unpacked == "" || moved == "":
		return errors.New("report on the push is incomplete; whether the ref moved is unknown")
	case refused || unpacked != "unpack ok":
		if unpacked != "unpack ok" {
			reason = unpacked
		}
		if said != "" {
			reason += ": " + said
		}
		return fmt.Errorf("%w: %s", errRefused, reason)
	}
	return nil
}

// boundedText keeps the beginning of what a server says.
type boundedText struct{ strings.Builder }

func (t *boundedText) add(text []byte) {
	const most = 4 << 10
	t.Write(text[:min(len(text), max(0, most-t.Len()))])
}

func (t *boundedText) String() string { return printable(strings.TrimSpace(t.Builder.String())) }
