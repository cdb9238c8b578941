// Package chore is what an operator has the batch do once and by hand, over
// every listener: sealing tokens anew, and asking everybody's history. A chore
// shows how far it is, can be ended at any moment and begun again, and says at
// the end what came of it.
package admin
