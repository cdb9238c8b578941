// Package consent shows the simulated consent page of Spotify and Google. On that page
// the tester chooses which simulated person to be, and allows or denies an app.
//
// Scripts skip the page: with person=N&allow=1 in the query, person N allows the app at
// once, and with allow=0 the app is denied. Instead of the parameter "person", the query
// may have login_hint, with the number or the e-mail address of a person.
package consent

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// Decision is the result of Decide.
type Decision int

// The decisions. Pending means that the person has not decided yet, and that the response
// shows the page.
const (
	Pending Decision = iota
	Allowed
	Denied
)

// Request describes which app requests which scopes.
type Request struct {
	Provider string // "Spotify" or "Google"
	App      string
	Scopes   []string
}

// peopleListed is the maximum number of people that the page lists. To choose another
// person, a tester adds the person's number to the page's address.
const peopleListed = 48

// Decide returns the decision in the query of the request. If the query has none, or allows
// the app without naming an existing person, it shows the page and returns Pending. If the
// decision is Allowed, Decide stores the chosen person in w.Person.
func Decide(w *requestlog.Writer, r *http.Request, world *population.World, request Request) Decision {
	query := r.URL.Query()
	allow := query.Get("allow")
	if allow == "0" {
		return Denied
	}
	if person, ok := chosenPerson(world, query); ok && allow == "1" {
		w.Person = person
		return Allowed
	}
	page := struct {
		Request
		Hidden url.Values
		People []choice
		Last   int
	}{Request: request, Hidden: query, Last: world.People() - 1}
	for _, key := range []string{"person", "allow"} {
		query.Del(key)
	}
	for n := range min(peopleListed, world.People()) {
		p := world.Person(n)
		page.People = append(page.People, choice{n, strings.TrimSpace(p.GivenName + " " + p.FamilyName)})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = consentPage.Execute(w, page) // an error means that the browser has disconnected
	return Pending
}

type choice struct {
	Number int
	Name   string
}

func chosenPerson(world *population.World, query url.Values) (int, bool) {
	name := query.Get("person")
	if name == "" {
		name = query.Get("login_hint")
		if local, domain, ok := strings.Cut(name, "@"); ok && domain == "example.com" {
			name = local[strings.LastIndexByte(local, '.')+1:]
		}
	}
	n, err := strconv.Atoi(name)
	return n, err == nil && n >= 0 && n < world.People()
}

// ShowError shows an error page. The providers do that if they must not redirect, because
// the app or its redirect URI is unknown.
func ShowError(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_ = errorPage.Execute(w, text)
}

// Redirect redirects the browser to the app's redirect URI. The parameters are in its query
// or, if the argument fragment is true (implicit grant), in its fragment.
func Redirect(w http.ResponseWriter, target string, parameters url.Values, fragment bool) {
	u, err := url.Parse(target)
	if err != nil { // cannot happen: the caller has parsed the redirect URI to check it
		ShowError(w, "Invalid redirect URI")
		return
	}
	if fragment {
		u.Fragment = ""
		target = u.String() + "#" + parameters.Encode()
	} else {
		query := u.Query()
		for key, values := range parameters {
			query[key] = values
		}
		u.RawQuery = query.Encode()
		target = u.String()
	}
	w.Header().Set("Location", target)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

var consentPage = template.Must(template.New("consent").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Provider}} (simulated)</title>
<style>body{font:16px system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}fieldset{border:0;padding:0;columns:2}
label{display:block;padding:.2rem 0}button{font:inherit;padding:.6rem 1.4rem;margin-right:.6rem}</style>
<h1>{{.Provider}} <small>(simulated)</small></h1>
<p><b>{{.App}}</b> asks for: {{range .Scopes}}<code>{{.}}</code> {{else}}nothing in particular{{end}}</p>
<form method="get">
{{range $key, $values := .Hidden}}{{range $values}}<input type="hidden" name="{{$key}}" value="{{.}}">{{end}}{{end}}
<p>Who are you?</p>
<fieldset>{{range .People}}<label><input type="radio" name="person" value="{{.Number}}"{{if eq .Number 0}} checked{{end}}> {{.Name}} · {{.Number}}</label>{{end}}</fieldset>
<p><small>There are people 0 to {{.Last}}; add <code>&amp;person=N&amp;allow=1</code> to the address to be any of them.</small></p>
<p><button name="allow" value="1">Allow</button><button name="allow" value="0">Deny</button></p>
</form></html>
`))

var errorPage = template.Must(template.New("fail").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Error</title><body>{{.}}</body></html>
`))
