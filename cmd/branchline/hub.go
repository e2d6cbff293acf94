package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"branchline.dev/branchline/cmd/internal/hub"
	"branchline.dev/branchline/cmd/internal/version"
	"branchline.dev/branchline/providers/all"
	"branchline.dev/branchline/sync"
)

func newHub() *cobra.Command {
	command := &cobra.Command{
		Use:   "hub",
		Short: "Serve tenant repositories, render them and make clusters",
	}
	command.AddCommand(newHubServe(), newHubToken(), newHubHook())
	return needsSubcommand(command)
}

type hubOptions struct {
	data, listen, url string
	tenants           []string
	poll, grace       time.Duration
	programs          programFlags
}

func newHubServe() *cobra.Command {
	var options hubOptions
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run a hub until it is told to stop",
		Long: `Serve the repositories of tenants over smart HTTP, check and render each push to
main, publish the desired branches, and converge the clusters of cloud.type
local. Logs go to stderr.

The endpoint speaks plain HTTP: listen on loopback, or put a proxy that
terminates TLS in front of it and name its address with --url.`,
		Example: `  branchline hub serve --data /var/lib/branchline --tenant shop`,
		Args:    exactArgs(0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return serveHub(cmd, options) },
	}
	flags := command.Flags()
	flags.StringVar(&options.data, "data", "", "directory for everything the hub keeps (required)")
	flags.StringVar(&options.listen, "listen", "127.0.0.1:8480", "address to listen on")
	flags.StringVar(&options.url, "url", "", "URL under which agents reach the hub (default: http:// and the address)")
	flags.StringSliceVar(&options.tenants, "tenant", nil, "tenant to make if it does not exist")
	flags.DurationVar(&options.poll, "poll", 10*time.Second, "how often agents ask for changes")
	flags.DurationVar(&options.grace, "deletion-grace", time.Hour, "how long the infrastructure of a removed cluster is kept")
	options.programs.add(command)
	return command
}

func serveHub(cmd *cobra.Command, options hubOptions) (err error) {
	if options.data == "" {
		return usagef("say where the hub keeps its data: --data DIR")
	}
	for _, tenant := range options.tenants {
		if err := hub.CheckTenantName(tenant); err != nil {
			return usagef("%v", err)
		}
	}
	found, err := options.programs.find()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	defer listener.Close()
	if options.url == "" {
		if options.url, err = agentsURL(listener.Addr()); err != nil {
			return err
		}
	}
	clouds, err := all.Open(ctx, all.Options{Local: all.LocalOptions{
		Dir: filepath.Join(options.data, "local"), ControlPlane: found.controlPlane, Kwok: found.kwok, Agent: found.agent, Log: log,
	}}, all.Local)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clouds.Close(context.WithoutCancel(ctx))) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	h, err := hub.Open(ctx, hub.Options{
		Data:          options.data,
		URL:           options.url,
		Version:       version.Version,
		HookCommand:   []string{self, "hub", "hook"},
		Clouds:        all.Schemas(),
		Providers:     clouds.Providers(),
		PollInterval:  options.poll,
		DeletionGrace: grace(options.grace),
		Log:           log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	for _, tenant := range options.tenants {
		if err := h.AddTenant(ctx, tenant); err != nil {
			return err
		}
	}
	log.Info("serving", "address", listener.Addr().String(), "data", options.data)
	return h.Run(ctx, listener)
}

// agentsURL is where agents reach a hub that listens on an address.
func agentsURL(address net.Addr) (string, error) {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || tcp.IP.IsUnspecified() {
		return "", usagef("listening on every address: say with --url under which URL agents reach the hub")
	}
	return "http://" + tcp.String(), nil
}

// grace maps "none" to what a gateway takes for it: there, zero means the default.
func grace(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func newHubToken() *cobra.Command {
	var data string
	command := &cobra.Command{
		Use:   "token TENANT PERSON",
		Short: "Issue a person's access token and revoke the one before",
		Long: `Print a new access token with which PERSON reads the repository of TENANT and
pushes to main. A token that the same person had no longer works, at once. The
hub may be running.`,
		Args: exactArgs(2, "a tenant and a person"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if data == "" {
				return usagef("say where the hub keeps its data: --data DIR")
			}
			token, err := hub.IssueToken(data, args[0], args[1])
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	command.Flags().StringVar(&data, "data", "", "directory of the hub (required)")
	return command
}

// newHubHook is what git runs inside a push; people never do.
func newHubHook() *cobra.Command {
	return &cobra.Command{
		Use:    "hook",
		Short:  "Answer git's pre-receive hook",
		Hidden: true,
		Args:   exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if code := sync.RunHook(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), os.Getenv); code != 0 {
				return errReported
			}
			return nil
		},
	}
}
