package sync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Snapshot is the content of one commit.
type Snapshot struct {
	Ref    string
	Commit string
	// Unchanged means that the ref still points at the commit that the caller
	// knows; Raw and Files are empty then.
	Unchanged bool
	// Raw is the content of the commit object, which VerifyCommit takes.
	Raw []byte
	// Files by path.
	Files map[string][]byte
}

// fetchLimits and snapshotLimits bound what a server can make an agent hold in
// memory: a cluster of 10,000 objects of 4 KiB fits in twice.
func fetchLimits() packLimits {
	return packLimits{packBytes: 64 << 20, objects: 50_000, objectBytes: 16 << 20, totalBytes: 96 << 20, deltaDepth: 64}
}

func snapshotLimits() treeLimits {
	return treeLimits{files: 50_000, fileBytes: 16 << 20, totalBytes: 96 << 20}
}

// Fetch reads the newest commit of one branch, without its history. known is the
// commit that the caller has already, or "". The error is ErrRefNotFound only if
// the server gave a complete answer without the ref, and ErrUnauthorized if it
// refused the credentials. The content is complete and fits its object names;
// whether to trust it is up to VerifyCommit.
func (r *Remote) Fetch(ctx context.Context, ref, known string) (*Snapshot, error) {
	if err := checkRef(ref); err != nil {
		return nil, err
	}
	id, err := r.tip(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref, err)
	}
	if id.String() == known {
		return &Snapshot{Ref: ref, Commit: known, Unchanged: true}, nil
	}
	objects, err := r.fetchPack(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref, err)
	}
	snapshot, err := objects.snapshot(id)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref, err)
	}
	snapshot.Ref = ref
	return snapshot, nil
}

// fetchPack asks for one commit and all that it holds.
func (r *Remote) fetchPack(ctx context.Context, id objectID) (pack, error) {
	var body []byte
	for _, line := range []string{"command=fetch\n", agentCapability + "\n", "object-format=sha1\n"} {
		body = appendPacket(body, line)
	}
	body = appendDelimiter(body)
	for _, line := range []string{"ofs-delta\n", "no-progress\n", "want " + id.String() + "\n", "deepen 1\n", "done\n"} {
		body = appendPacket(body, line)
	}
	body = appendFlush(body)
	var objects pack
	err := r.post(ctx, uploadPack, body, func(in io.Reader) (err error) {
		objects, err = readFetched(in, fetchLimits())
		return err
	})
	return objects, err
}

// readFetched reads the response to a fetch up to the end of its pack.
func readFetched(in io.Reader, limits packLimits) (pack, error) {
	// What is not pack data (section names, progress) is bounded with it.
	in = io.LimitReader(in, limits.packBytes+limits.packBytes/8+maxListing)
	for {
		kind, line, err := readPacket(in)
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("answer is cut off: %w", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, err
		}
		text := strings.TrimSuffix(string(line), "\n")
		if reason, ok := strings.CutPrefix(text, "ERR "); ok {
			return nil, fmt.Errorf("server reports: %s", clip(reason))
		}
		if kind == packetFlush {
			return nil, errors.New("answer holds no pack")
		}
		if text == "packfile" {
			break
		}
		// shallow-info and its lines: where history was cut is of no interest.
	}
	return readPack(&bandReader{in: in, progress: func([]byte) {}}, limits)
}

// snapshot collects what one commit of the pack holds.
func (p pack) snapshot(id objectID) (*Snapshot, error) {
	raw, err := p.object(id, kindCommit, maxCommitBytes)
	if err != nil {
		return nil, err
	}
	commit, err := parseCommit(id.String(), raw)
	if err != nil {
		return nil, err
	}
	tree, err := parseID(commit.Tree)
	if err != nil {
		return nil, err
	}
	files, err := readFiles(p, tree, snapshotLimits())
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", id, err)
	}
	return &Snapshot{Commit: id.String(), Raw: raw, Files: files}, nil
}
