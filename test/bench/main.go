// Command bench measures what the programs promise: each figure of the
// performance budgets that the code can show today, beside a baseline measured
// in the same run on the same machine. docs/benchmarks.md says what each means.
//
// In go the programs of bin/ and the git program; out come a table on stdout and
// a list of figures as JSON. All data lies in one temporary directory, all
// servers listen on loopback, and nothing is left of either.
//
// Exit code 0 means that everything was measured, whether budgets are kept or
// not: timings never decide. 1 means that a measurement could not be made, 2 that
// the flags are wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

func main() {
	klog.LogToStderr(false) // client-go's notes on its own throttling and retries
	klog.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) > 1 && isRole(os.Args[1]) {
		os.Exit(runRole(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	out   string
	only  *regexp.Regexp
	quick bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	started := time.Now()
	figures, err := measure(ctx, options, stderr)
	printTable(stdout, figures)
	if err == nil {
		err = keep(options, figures, stdout)
	}
	fmt.Fprintf(stdout, "took %s\n", time.Since(started).Round(time.Second))
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var parsed options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&parsed.out, "out", "", "`file` to write all figures to, as JSON; needs a run of everything")
	only := flags.String("only", "", "measure the figures whose name fits this `regexp`, and write no file")
	flags.BoolVar(&parsed.quick, "quick", false, "small sizes, to see that everything runs; write no file")
	if err := flags.Parse(args); err != nil {
		return parsed, err
	}
	err := error(nil)
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q, bench takes flags only", flags.Arg(0))
	} else if *only != "" {
		parsed.only, err = regexp.Compile(*only)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return parsed, err
}

// keep writes the file, unless the figures are not those of a whole run at full
// size: a file that holds others would pass for a change of the code.
func keep(options options, figures []figure, stdout io.Writer) error {
	switch {
	case options.quick:
		fmt.Fprintln(stdout, "quick: sizes are smaller than the names say; nothing was written")
	case options.only != nil:
		fmt.Fprintln(stdout, "only some figures were measured; nothing was written")
	case options.out != "":
		return writeFigures(options.out, figures)
	}
	return nil
}
