// Package command runs the command lines of the services: it parses them, chooses
// the exit code, and opens the database that the configuration names.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration is wrong
)

// Program describes an executable with several commands, such as songspy-api.
type Program struct {
	Name        string
	Description string
}

// Main calls the function run with the arguments, the environment and the output of this
// process, and with a context that is canceled at SIGINT and SIGTERM. Before that it prints
// the warnings about the environment (config.Warnings). It returns the exit code that the
// function run returns, or exitUsage if the environment cannot be read.
func (p Program) Main(run func(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	environ, err := config.Environ()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		return exitUsage
	}
	for _, warning := range config.Warnings(environ) {
		fmt.Fprintf(os.Stderr, "%s: warning: %s\n", p.Name, warning)
	}
	return run(ctx, os.Args[1:], environ, os.Stdout, os.Stderr)
}

// Run parses args as the kong struct tags of commands define. Then it calls the method Run
// of the chosen command with ctx and shared. It returns the exit code: 0 for success, 1
// for failure, 2 for a wrong command line or a ConfigError.
func (p Program) Run(ctx context.Context, commands, shared any, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "help" {
		args = []string{"--help"}
	}
	helpPrinted := false
	parser, err := kong.New(commands, kong.Name(p.Name), kong.Description(p.Description),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helpPrinted = true }))
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return exitFailed
	}
	chosen, err := parser.Parse(args)
	// For --help, kong calls the function given to kong.Exit above. It does not end the
	// process, so Parse has continued and may have returned an error.
	if helpPrinted {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nRun `%s --help` for the usage.\n", p.Name, err, p.parsedCommand(err))
		return exitUsage
	}
	chosen.BindTo(ctx, (*context.Context)(nil))
	err = chosen.Run(shared)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
	if _, ok := errors.AsType[ConfigError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// parsedCommand returns the full name of the command whose help explains a parse
// error, such as "songspy-api invite revoke".
func (p Program) parsedCommand(err error) string {
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range slices.Backward(e.Context.Path) {
			node := step.Node()
			if node == nil {
				continue
			}
			if node.Tag != nil && node.Tag.Default == "1" {
				node = node.Parent // kong chose node by default; the help of its parent lists all commands
			}
			return node.FullPath()
		}
	}
	return p.Name
}

// ConfigError is an error of the configuration. Program.Run returns exit code 2 for it.
type ConfigError struct{ Err error }

// Error returns the message of the error.
func (e ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the configuration.
func (e ConfigError) Unwrap() error { return e.Err }

// LoadSettings reads the settings struct T of a service from environ by config.Load. Any
// error that it returns is a ConfigError.
func LoadSettings[T any](environ map[string]string) (settings T, err error) {
	if err := config.Load(&settings, environ); err != nil {
		return settings, ConfigError{err}
	}
	return settings, nil
}

// OpenStore opens the database that the settings name. If log is nil, the log
// messages of the store are discarded.
func OpenStore(ctx context.Context, s config.Service, log *slog.Logger) (*store.Store, error) {
	keys, err := config.ParseKeys("SONGSPY_SEAL_KEYS", s.SealKeys)
	if err != nil {
		return nil, err
	}
	o := store.Options{
		URL: s.DatabaseURL.Reveal(), MaxConns: s.DatabaseMaxConns, SimpleProtocol: s.DatabaseSimpleProtocol, Logger: log,
	}
	for _, k := range keys {
		o.SealKeys = append(o.SealKeys, store.SealKey{ID: k.ID, Key: k.Key})
	}
	return store.Open(ctx, o)
}
