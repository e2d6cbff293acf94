package sync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// List asks where all refs point whose names begin with one of the prefixes.
// Only a complete answer is returned; an empty one means that there are none.
func (r *Remote) List(ctx context.Context, prefixes ...string) (map[string]string, error) {
	if len(prefixes) == 0 {
		return nil, fmt.Errorf("list refs of %s: no prefix given", r.URL)
	}
	refs, err := r.list(ctx, prefixes)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(refs))
	for ref, id := range refs {
		// A server may answer with more than was asked for.
		if hasAnyPrefix(ref, prefixes) {
			names[ref] = id.String()
		}
	}
	return names, nil
}

func hasAnyPrefix(text string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// list sends one ls-refs command of protocol version 2 (gitprotocol-v2(5)).
func (r *Remote) list(ctx context.Context, prefixes []string) (map[string]objectID, error) {
	var body []byte
	for _, line := range []string{"command=ls-refs\n", agentCapability + "\n", "object-format=sha1\n"} {
		body = appendPacket(body, line)
	}
	body = appendDelimiter(body)
	for _, prefix := range prefixes {
		body = appendPacket(body, "ref-prefix "+prefix+"\n")
	}
	var refs map[string]objectID
	err := r.post(ctx, uploadPack, appendFlush(body), func(in io.Reader) (err error) {
		refs, err = readListing(io.LimitReader(in, maxListing))
		return err
	})
	return refs, err
}

// readListing reads a list of refs to its end.
func readListing(in io.Reader) (map[string]objectID, error) {
	refs := map[string]objectID{}
	for {
		kind, line, err := readPacket(in)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("list of refs is cut off: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fmt.Errorf("list of refs: %w", err)
		case kind == packetFlush:
			return refs, nil
		case kind != packetData:
			return nil, fmt.Errorf("list of refs: %w", errBadPacket)
		}
		ref, id, err := parseListed(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return nil, err
		}
		if other, listed := refs[ref]; listed && other != id {
			return nil, fmt.Errorf("list of refs names %s twice", clip(ref))
		}
		refs[ref] = id
	}
}

// parseListed reads one line: object name, ref, and attributes that were not
// asked for.
func parseListed(text string) (ref string, id objectID, err error) {
	if reason, ok := strings.CutPrefix(text, "ERR "); ok {
		return "", id, fmt.Errorf("server reports: %s", clip(reason))
	}
	name, rest, _ := strings.Cut(text, " ")
	ref, _, _ = strings.Cut(rest, " ")
	if id, err = parseID(name); err != nil {
		return "", id, fmt.Errorf("list of refs: %w; does the server speak protocol version 2?", err)
	}
	return ref, id, nil
}

// Parsed gives what the snapshot's commit object says.
func (s *Snapshot) Parsed() (*Commit, error) { return parseCommit(s.Commit, s.Raw) }
