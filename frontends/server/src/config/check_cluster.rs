//! What the settings of a cluster mean together: trunks, the roles that have them, and which account lives where.
//!
//! Invariant: as in `check.rs`, nothing here changes anything.

use crosspoint_icpp::edge::BackEnd;
use crosspoint_icpp::redirect::{ACCOUNT_SLOTS, Home};

use super::check::Findings;
use super::cluster::BACK_ENDS_MAX;
use super::{Config, Role};

pub(super) fn cluster(config: &Config, findings: &mut Findings<'_>) {
    let icpp = &config.icpp;
    if let Some(open) = icpp.trunk_listen.iter().find(|address| !address.ip().is_loopback())
        && !icpp.trunk_allow_remote
    {
        let what = format!(
            "{open} is not loopback and would be talked to in the clear; use icpp.trunk_listen_tls, or set \
             icpp.trunk_allow_remote = true if the network is yours"
        );
        findings.add("icpp.trunk_listen", what);
    }
    let listens = !icpp.trunk_listen.is_empty() || !icpp.trunk_listen_tls.is_empty();
    if (listens || config.role == Role::Frontend) && icpp.cluster_key.as_os_str().is_empty() {
        let what = "trunks need the secret that all processes of the cluster share".to_owned();
        findings.add("icpp.cluster_key", what);
    }
    if config.role == Role::Backend && !listens {
        let what = "no front-end could connect; name an address".to_owned();
        findings.add("icpp.trunk_listen", what);
    }
    let homes = config.edge.homes().unwrap_or_else(|text| {
        let what = format!("`{text}` is not FIRST-LAST NODE [URL ...], with slots from 0 to 4095");
        findings.add("edge.homes", what);
        Vec::new()
    });
    match config.role {
        Role::Frontend => front_end(config, &homes, findings),
        Role::All => {
            let away = |home: &&Home| home.node != icpp.node && home.urls.is_empty();
            if let Some(home) = homes.iter().find(away) {
                let what = format!("where {} is reached must stand here: nobody else tells", home.node);
                findings.add("edge.homes", what);
            }
        }
        Role::Backend => {}
    }
    if let Err(what) = config.balance.policy().check() {
        findings.add("balance.enter_permille", what.to_owned());
    }
}

fn front_end(config: &Config, homes: &[Home], findings: &mut Findings<'_>) {
    let (icpp, edge) = (&config.icpp, &config.edge);
    let back_ends = match edge.back_ends() {
        Ok(back_ends) if back_ends.is_empty() => return findings.add("edge.back_ends", "name a back-end".to_owned()),
        Ok(back_ends) if back_ends.len() > BACK_ENDS_MAX => {
            return findings.add("edge.back_ends", format!("more than {BACK_ENDS_MAX}"));
        }
        Ok(back_ends) => back_ends,
        Err(text) => {
            let what = format!("`{text}` is not address:port, nor FIRST-LAST address:port with slots from 0 to 4095");
            return findings.add("edge.back_ends", what);
        }
    };
    for slot in 0..ACCOUNT_SLOTS {
        let here = |back_end: &&BackEnd| (back_end.first..=back_end.last).contains(&slot);
        let home = Home::of(homes, slot).is_some_and(|home| home.node != icpp.node && !home.urls.is_empty());
        let what = match back_ends.iter().filter(here).count() {
            0 if !home => format!("accounts of slot {slot} live nowhere: no back-end has them, and no home with URLs"),
            0 | 1 => continue,
            _ => format!("accounts of slot {slot} live at two back-ends"),
        };
        findings.add("edge.back_ends", what);
        break;
    }
    if let Err(text) = edge.pins() {
        let what = format!("`{text}` is no SHA-256: 32 bytes in hexadecimal, as the back-end says at its start");
        findings.add("edge.trunk_pins", what);
    } else if edge.encrypts() {
        if let Err(error) = crate::icpp::trunk_tls(config) {
            findings.add("edge.trunk_ca", format!("{error:#}"));
        }
    } else if let Some(open) = back_ends.iter().find(|one| !one.address.ip().is_loopback())
        && !icpp.trunk_allow_remote
    {
        let what = format!(
            "{} is not loopback and would be talked to in the clear; set edge.trunk_ca or edge.trunk_pins, or \
             icpp.trunk_allow_remote = true if the network is yours",
            open.address
        );
        findings.add("edge.back_ends", what);
    }
    if !edge.trunk_ca.as_os_str().is_empty() && !edge.trunk_pins.is_empty() {
        let what = "certificates are verified by their issuer or by their pins: set one of the two".to_owned();
        findings.add("edge.trunk_pins", what);
    }
}
