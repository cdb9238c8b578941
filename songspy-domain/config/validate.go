package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// OneOf returns an error, which contains the variable's name, if value is not an allowed
// value.
func OneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: is %q; it must be one of %s", name, value, strings.Join(allowed, ", "))
}

// AtLeast returns an error, which contains the variable's name, if value is less than the
// lower bound least.
func AtLeast[T cmp.Ordered](name string, value, least T) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("%s: is %v; it must be at least %v", name, value, least)
}
