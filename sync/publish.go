package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
)

// Published is one ref that was moved.
type Published struct {
	Ref    string
	Commit string
}

// unpackBelow is the number of objects from which on a pack is kept as one.
// Fewer are stored one by one, so that small commits do not pile up packs.
const unpackBelow = 100

// Publish makes one signed commit for each update and moves all the refs in one
// transaction. It is ErrConflict, and no ref has moved, if any of them was not
// where its update expected it. Equal updates and key give equal commits.
func (r *Repository) Publish(ctx context.Context, signer *Signer, updates []Update) ([]Published, error) {
	if len(updates) == 0 {
		return nil, nil
	}
	updates = append([]Update(nil), updates...) // defaults are filled in
	objects, commits, err := buildCommits(signer, updates)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := r.checkExpected(ctx, updates); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := r.dropKnown(ctx, objects, updates); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := r.storeObjects(ctx, objects); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := r.moveRefs(ctx, updates, commits); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	published := make([]Published, len(updates))
	for i, u := range updates {
		published[i] = Published{u.Ref, commits[i]}
	}
	return published, nil
}

// checkExpected compares the refs with what the updates expect.
func (r *Repository) checkExpected(ctx context.Context, updates []Update) error {
	prefix := updates[0].Ref
	if len(updates) > 1 {
		prefix = commonFolder(updates)
	}
	tips, err := r.Refs(ctx, prefix)
	if err != nil {
		return err
	}
	for _, u := range updates {
		if tip := tips[u.Ref]; tip != u.Expect {
			return conflict(u.Ref, u.Expect, tip)
		}
	}
	return nil
}

// commonFolder is the deepest folder of refs that holds all updates' refs.
func commonFolder(updates []Update) string {
	common := strings.Split(updates[0].Ref, "/")
	for _, u := range updates {
		parts := strings.Split(u.Ref, "/")
		n := 0
		for n < len(common) && n < len(parts)-1 && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	return strings.Join(common, "/")
}

func conflict(ref, expected, found string) error {
	describe := func(id string) string {
		if id == "" {
			return "absent"
		}
		return id
	}
	return fmt.Errorf("%w: %s is %s, expected %s; read it again and redo the change",
		ErrConflict, ref, describe(found), describe(expected))
}

// dropKnown removes the objects that the expected commits hold already. Others
// may be in the repository too, but only these are certain to stay: the refs
// hold them until they move.
func (r *Repository) dropKnown(ctx context.Context, objects objectSet, updates []Update) error {
	var tips strings.Builder
	for _, u := range updates {
		if u.Expect != "" {
			fmt.Fprintln(&tips, u.Expect)
		}
	}
	if tips.Len() == 0 {
		return nil
	}
	out, err := r.runGit(ctx, strings.NewReader(tips.String()), "rev-list", "--objects", "--no-walk=unsorted", "--no-object-names", "--stdin")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		id, err := parseID(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return err
		}
		delete(objects, id)
	}
	return nil
}

// storeObjects writes objects as one pack. git checks each of them and that all
// they refer to exists.
func (r *Repository) storeObjects(ctx context.Context, objects objectSet) error {
	if len(objects) == 0 {
		return nil // the same commit again
	}
	var data bytes.Buffer
	if err := writePack(&data, objects); err != nil {
		return err
	}
	args := []string{"index-pack", "--strict", "--stdin"}
	if len(objects) < unpackBelow {
		args = []string{"unpack-objects", "-q", "--strict"}
	}
	_, err := r.runGit(ctx, &data, args...)
	return err
}

// moveRefs moves all refs or none.
func (r *Repository) moveRefs(ctx context.Context, updates []Update, commits []string) error {
	var script strings.Builder
	var refs []string
	for i, u := range updates {
		fmt.Fprintf(&script, "update %s\x00%s\x00%s\x00", u.Ref, commits[i], u.expected())
		refs = append(refs, u.Ref)
	}
	if err := r.removeStaleLocks(r.refLocks(refs...)...); err != nil {
		return err
	}
	_, err := r.runGit(ctx, strings.NewReader(script.String()), "update-ref", "-z", "--stdin")
	if err == nil || ctx.Err() != nil {
		return err
	}
	// git says why only in words. Where the refs stand now tells a conflict from a failure.
	if now := r.checkExpected(ctx, updates); errors.Is(now, ErrConflict) {
		return now
	}
	return err
}
