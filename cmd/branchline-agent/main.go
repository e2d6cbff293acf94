// Command branchline-agent makes the cluster it runs in, or that a kubeconfig
// names, what the cluster's desired branch says. SIGTERM and SIGINT end it with
// exit code 0; SIGHUP makes it look at its branch at once. Exit code 1 means that
// it could not start, 2 that its flags are wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"branchline.dev/branchline/agent"
	"branchline.dev/branchline/cmd/internal/version"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	kubeconfig string
	logLevel   slog.Level
	version    bool
}

func run(args []string, stdout, stderr io.Writer) int {
	options, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case options.version:
		fmt.Fprintln(stdout, "branchline-agent", version.Version)
		return 0
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: options.logLevel}))
	klog.SetSlogLogger(log) // what client-go has to say
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := start(ctx, options, log); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var parsed options
	flags := flag.NewFlagSet("branchline-agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&parsed.kubeconfig, "kubeconfig", "", "`file` that says how to reach the cluster (default: the cluster it runs in)")
	flags.TextVar(&parsed.logLevel, "log-level", slog.LevelInfo, "least `level` to log: debug, info, warn or error")
	flags.BoolVar(&parsed.version, "version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return parsed, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q, the agent takes flags only", flags.Arg(0))
		fmt.Fprintln(stderr, err)
		return parsed, err
	}
	return parsed, nil
}

func start(ctx context.Context, options options, log *slog.Logger) error {
	kubernetes, err := clusterConfig(options.kubeconfig)
	if err != nil {
		return err
	}
	log.Info("starting", "version", version.Version, "server", kubernetes.Host)
	return agent.Run(ctx, agent.Options{
		Kubernetes: kubernetes, Log: log, Version: version.Version, Nudge: hangups(ctx),
	})
}

func clusterConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("read in-cluster configuration: %w; outside of a cluster set --kubeconfig", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

// hangups gives a value for each SIGHUP.
func hangups(ctx context.Context) <-chan struct{} {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	nudges := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case <-ctx.Done():
				return
			case nudges <- struct{}{}:
			}
		}
	}()
	return nudges
}
