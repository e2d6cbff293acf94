package main

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// fleet is a repository with many refs and its two servers: the hub's endpoint,
// and git http-backend over a mirror that was made with git's own settings. The
// mirror's refs are packed, as git clone leaves them; the hub's are as Publish
// left them.
type fleet struct {
	repository *sync.Repository
	signer     *sync.Signer
	cluster    string // one of those in it
	desired    sync.Update
	tip        string // of its desired branch
	status     string // of its status branch
	mirror     string // directory

	hub, plain           *server
	hubWire, plainWire   *meter
	ownClient, gitClient *sync.Remote // to the hub's endpoint and to http-backend
}

func openFleet(ctx context.Context, b bed) (f *fleet, err error) {
	f = &fleet{mirror: b.path("plain/" + tenant + ".git")}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := f.fill(ctx, b); err != nil {
		return f, err
	}
	if err := f.makeMirror(ctx); err != nil {
		return f, err
	}
	return f, f.serve(ctx, b)
}

// fill publishes half of the refs as desired branches and half as statuses.
func (f *fleet) fill(ctx context.Context, b bed) (err error) {
	if f.repository, err = sync.InitRepository(ctx, b.path("hub.git")); err != nil {
		return err
	}
	if f.signer, err = newSigner(); err != nil {
		return err
	}
	count := b.size(10_000, 200)
	updates := desiredBranches(count, 20)
	f.desired = updates[count/2]
	f.cluster = clusterName(count / 2)
	desired, err := f.repository.Publish(ctx, f.signer, updates)
	if err != nil {
		return err
	}
	statuses, err := f.repository.Publish(ctx, f.signer, statusBranches(count))
	if err != nil {
		return err
	}
	f.tip, f.status = desired[count/2].Commit, statuses[count/2].Commit
	return nil
}

func (f *fleet) makeMirror(ctx context.Context) error {
	if _, err := git(ctx, "", nil, "clone", "--quiet", "--mirror", f.repository.Dir(), f.mirror); err != nil {
		return err
	}
	_, err := git(ctx, f.mirror, nil, "config", "http.receivepack", "true")
	return err
}

func (f *fleet) serve(ctx context.Context, b bed) error {
	hook, err := program("branchline")
	if err != nil {
		return err
	}
	if f.hub, err = startServer(roleHub, f.repository.Dir(), hook); err != nil {
		return err
	}
	if f.plain, err = startServer(rolePlain, b.path("plain")); err != nil {
		return err
	}
	if f.hubWire, err = newMeter(ctx, f.hub.address); err != nil {
		return err
	}
	if f.plainWire, err = newMeter(ctx, f.plain.address); err != nil {
		return err
	}
	f.ownClient = f.client(f.hubWire)
	f.gitClient = f.client(f.plainWire)
	return nil
}

// client is a Remote as an agent has it: one connection that is kept open.
func (f *fleet) client(wire *meter) *sync.Remote {
	return &sync.Remote{URL: wire.url(), User: f.cluster, Token: f.cluster, Client: &http.Client{Transport: &http.Transport{}}}
}

// change publishes a one-line change of the cluster's desired state and brings
// the mirror up to date.
func (f *fleet) change(ctx context.Context) (commit string, err error) {
	next := f.desired
	next.Expect, next.Parents, next.Files = f.tip, []string{f.tip}, maps.Clone(f.desired.Files)
	path := schemas.LayersDir + "/10-shared/configmap.shared.c00.yaml"
	next.Files[path] = append([]byte("changed: true\n"), next.Files[path]...)
	published, err := f.repository.Publish(ctx, f.signer, []sync.Update{next})
	if err != nil {
		return "", err
	}
	_, err = git(ctx, f.mirror, nil, "fetch", "--quiet", f.repository.Dir(), "+"+next.Ref+":"+next.Ref)
	return published[0].Commit, err
}

func (f *fleet) close() error {
	var errs []error
	for _, wire := range []*meter{f.hubWire, f.plainWire} {
		if wire != nil {
			errs = append(errs, wire.close())
		}
	}
	for _, server := range []*server{f.hub, f.plain} {
		if server != nil {
			errs = append(errs, server.stop())
		}
	}
	return errors.Join(errs...)
}
