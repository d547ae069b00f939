use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail, ensure};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::CertificateDer;

use super::files::{self, Pair};
use super::seen::{self, Seen};
use crate::limits::CA_DAYS;
use crate::number::counted;

/// A cluster's own certificate authority, `ca.crt` and `ca.key` in a directory: who has a certificate of it belongs to the cluster.
pub(crate) struct Authority {
    directory: PathBuf,
    certificate: CertificateDer<'static>,
    /// All of `ca.crt`, and nothing else that is in the file.
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Whose certificate is to be made.
pub(crate) enum Owner<'a> {
    /// A node's: it says who the node is to its peers, and to clients at these hosts.
    Node { name: &'a str, hosts: &'a [String] },
    /// A client's: it lets it in, and bears no name that a node could have.
    Client { name: &'a str },
}

/// A certificate in its place.
pub(crate) struct Made {
    /// False where it was there already.
    pub(crate) made: bool,
    /// It ends with the CA, before the days are over that were asked for.
    pub(crate) cut: bool,
    /// `NAME.crt`.
    pub(crate) certificate: PathBuf,
    /// `NAME.key`.
    pub(crate) key: PathBuf,
    /// `ca.crt`, beside them.
    pub(crate) ca: PathBuf,
    pub(super) seen: Seen,
}

/// The name of its files.
pub(super) const CA: &str = "ca";

impl Authority {
    /// Makes a new one, if the directory has none. True: it was made.
    ///
    /// # Errors
    /// The directory cannot be written, or what is there is no CA.
    pub(crate) fn init(directory: &Path) -> anyhow::Result<(Authority, bool)> {
        files::make_directory(directory)?;
        let pair = Pair::of(directory, CA);
        if pair.read()?.is_some() {
            return Ok((Authority::open(directory)?, false));
        }
        let key = KeyPair::generate().context("no key can be drawn")?;
        let mut params = params(&format!("Quorate CA {:08x}", rand::random::<u32>()), CA_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).context("the CA cannot be made")?;
        pair.write(&certificate.pem(), &key.serialize_pem(), false)?;
        Ok((Authority::open(directory)?, true))
    }

    /// The one in this directory.
    ///
    /// # Errors
    /// There is none, or not the whole of it.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Authority> {
        let pair = Pair::of(directory, CA);
        let Some((pem, key)) = pair.read()? else {
            let directory = directory.display();
            bail!("{directory} has no CA: make one with `quorate cert init {directory}`");
        };
        let mut certificates = seen::certificates(&pem, &pair.certificate)?;
        let pem = seen::pem(&certificates);
        let certificate = certificates.swap_remove(0);
        let key = KeyPair::from_pem(&key)
            .map_err(|why| anyhow!("{} is no private key: {why}", pair.key.display()))?;
        {
            let parsed = seen::parse(&certificate).with_context(|| pair.certificate.display().to_string())?;
            let is_its = parsed.public_key().raw == key.subject_public_key_info();
            ensure!(is_its, "{} is not the key of {}", pair.key.display(), pair.certificate.display());
            ensure!(parsed.is_ca(), "{} is no CA's", pair.certificate.display());
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .with_context(|| format!("{} is no CA's", pair.certificate.display()))?;
        Ok(Authority { directory: directory.to_owned(), certificate, pem, issuer })
    }

    pub(super) fn seen(&self) -> anyhow::Result<Seen> {
        Seen::of(&self.certificate)
    }

    /// `ca.crt` and `ca.key`.
    pub(crate) fn files(&self) -> (PathBuf, PathBuf) {
        let Pair { certificate, key } = Pair::of(&self.directory, CA);
        (certificate, key)
    }

    /// Makes a certificate for so many days, in this directory, beside a copy of the CA's own. One that is there, is as it should be
    /// and has time left stays.
    ///
    /// # Errors
    /// There is one that should be made anew, and it was not said that it may be, or one for another purpose; or the CA has ended, or
    /// the directory cannot be written.
    pub(crate) fn certify(
        &self,
        owner: &Owner<'_>,
        into: &Path,
        days: u32,
        renew: bool,
    ) -> anyhow::Result<Made> {
        let ends = seen::parse(&self.certificate)?.validity().not_after.to_datetime();
        let end = self.seen()?.expires;
        ensure!(
            Timestamp::now() < end,
            "the CA in {} has ended, on {}: make another one in another directory, with `quorate cert init`",
            self.directory.display(),
            end.to_zoned(TimeZone::UTC).date()
        );
        files::make_directory(into)?;
        let pair = Pair::of(into, owner.name());
        let ca = self.copy_to(into)?;
        let is_half = renew && pair.is_key_alone()?;
        let there = if is_half { None } else { pair.read()? };
        let had = is_half || there.is_some();
        if let Some((certificate, key)) = there {
            owner.owns(&certificate, &pair)?;
            let seen = match self.fits(owner, &certificate, &key, &pair) {
                Ok(seen) => Some(seen),
                Err(_) if renew => None,
                Err(why) => bail!(
                    "{} is there already, and {why:#}: with --renew another one takes its place",
                    pair.certificate.display()
                ),
            };
            if let Some(seen) = seen {
                let Pair { certificate, key } = pair;
                return Ok(Made { made: false, cut: false, certificate, key, ca, seen });
            }
        }
        let key = KeyPair::generate().context("no key can be drawn")?;
        let mut params = owner.params(days)?;
        let cut = ends < params.not_after;
        params.not_after = params.not_after.min(ends);
        let certificate = params.signed_by(&key, &self.issuer).context("it cannot be signed")?;
        pair.write(&certificate.pem(), &key.serialize_pem(), had)?;
        let seen = Seen::of(certificate.der())?;
        let Pair { certificate, key } = pair;
        Ok(Made { made: true, cut, certificate, key, ca, seen })
    }

    /// Where nodes and clients are that trust this CA, its certificate is; there may be others in the file.
    fn copy_to(&self, into: &Path) -> anyhow::Result<PathBuf> {
        let path = Pair::of(into, CA).certificate;
        if !path.exists() {
            files::publish(&path, &self.pem)?;
        }
        let is_there = seen::certificates(&files::read(&path)?, &path)?.contains(&self.certificate);
        ensure!(
            is_there,
            "{} is another CA's: choose another directory, or add {} to it where both are to be trusted",
            path.display(),
            self.files().0.display()
        );
        Ok(path)
    }

    /// Whether a certificate that is there is what would be made, and has time left.
    ///
    /// # Errors
    /// It is not: what is wrong with it.
    fn fits(&self, owner: &Owner<'_>, certificate: &str, key: &str, pair: &Pair) -> anyhow::Result<Seen> {
        let der = seen::certificates(certificate, &pair.certificate)?.swap_remove(0);
        let parsed = seen::parse(&der)?;
        let authority = seen::parse(&self.certificate)?;
        let is_ours = parsed.verify_signature(Some(authority.public_key())).is_ok();
        ensure!(is_ours, "it is another CA's than {}'s", self.directory.display());
        let key = KeyPair::from_pem(key).map_err(|why| anyhow!("its key is none: {why}"))?;
        ensure!(parsed.public_key().raw == key.subject_public_key_info(), "its key is another one's");
        let seen = Seen::of(&der)?;
        let has: BTreeSet<&String> = seen.names.iter().collect();
        let names: Vec<String> = owner.names()?.iter().map(seen::san).collect();
        if let Some(missing) = names.iter().find(|name| !has.contains(name)) {
            bail!("it is not for {missing}");
        }
        if let Some(more) = has.into_iter().find(|name| !names.contains(name)) {
            bail!("it is for {more}, too");
        }
        let now = Timestamp::now();
        ensure!(!seen.is_due(now), "it has {} left", counted(seen.days_left(now), "day"));
        Ok(seen)
    }
}

impl Owner<'_> {
    fn name(&self) -> &str {
        match self {
            Owner::Node { name, .. } | Owner::Client { name } => name,
        }
    }

    /// One for another purpose, as the CA's own, is never replaced: only what would be made here may be.
    ///
    /// # Errors
    /// The certificate in its place is such a one.
    fn owns(&self, certificate: &str, pair: &Pair) -> anyhow::Result<()> {
        let Ok(there) = seen::certificates(certificate, &pair.certificate) else { return Ok(()) };
        let Some(Ok(seen)) = there.first().map(|der| Seen::of(der)) else { return Ok(()) };
        ensure!(
            seen.uses == self.uses(),
            "{} is there already, for another purpose ({}), and stays: choose another name, or another directory",
            pair.certificate.display(),
            seen.uses.join(", ")
        );
        Ok(())
    }

    /// What clients look for in a node's, and peers. A client's has none: it must not pass for a node.
    fn names(&self) -> anyhow::Result<Vec<SanType>> {
        let Owner::Node { name, hosts } = self else { return Ok(Vec::new()) };
        let dns =
            |name: &str| name.try_into().map(SanType::DnsName).context("a name can be in no certificate");
        // A node's own is one even where no host could be called so, such as `1`: peers look for it as it is.
        let mut names = vec![dns(name)?];
        for host in ["localhost", "127.0.0.1", "::1"].into_iter().chain(hosts.iter().map(String::as_str)) {
            let name = host.parse().map_or_else(|_| dns(host), |address| Ok(SanType::IpAddress(address)))?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn uses(&self) -> &'static [&'static str] {
        match self {
            Owner::Node { .. } => &["server", "client"],
            Owner::Client { .. } => &["client"],
        }
    }

    fn params(&self, days: u32) -> anyhow::Result<CertificateParams> {
        let purposes = self.uses().iter().map(|purpose| match *purpose {
            "server" => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        });
        let mut params = params(self.name(), days)?;
        params.subject_alt_names = self.names()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = purposes.collect();
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

/// Holds from yesterday, since clocks differ, for so many whole days from now, and a minute: who looks at once sees as many.
fn params(name: &str, days: u32) -> anyhow::Result<CertificateParams> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |date: Date| rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    let mut params = CertificateParams::default();
    params.not_before = day(today.yesterday()?);
    params.not_after = (SystemTime::now() + Duration::from_secs(u64::from(days) * 24 * 3_600 + 60)).into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
