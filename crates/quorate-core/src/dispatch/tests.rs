use super::{Dispatch, WaitBounds};
use crate::model::Model;
use crate::testing::{Load, Step};
use crate::{QueueId, Table, apply};

/// Of how many images the default queue is found, and whether it is among the crowded ones.
fn listed(dispatch: &Dispatch) -> (usize, bool) {
    (dispatch.open_by_image.len(), dispatch.open_crowded.queues() == [QueueId::DEFAULT])
}

/// Else it would cost time for each of them to open or to close it.
#[test]
fn of_a_crowded_queue_no_image_is_listed() {
    let mut model = Model::new();
    let few = WaitBounds { images_listed: 2, ..WaitBounds::default() };
    model.dispatch_mut().bound(few);
    let mut load = Load::new(20).of_images(4);
    let mut step = |step| {
        let Ok(_) = apply(&mut model, 1, &load.batch(&[step]));
        let dispatch = model.dispatch();
        let mut restored = Dispatch::restore(model.clock(), dispatch.kept());
        restored.bound(few);
        assert_eq!(&restored, dispatch);
        listed(dispatch)
    };
    let come = [(1, false), (2, false), (0, true), (0, true)];
    assert_eq!([(); 4].map(|()| step(Step::Enqueue)), come);
    let go = [(0, true), (2, false), (1, false), (0, false)];
    assert_eq!([(); 4].map(|()| step(Step::Consume)), go);
}

#[test]
fn whoever_bounds_it_later_has_the_same() {
    let mut model = Model::new();
    let Ok(_) = apply(&mut model, 1, &Load::new(20).of_images(4).batch(&[Step::Enqueue; 4]));
    let dispatch = model.dispatch_mut();
    for (images_listed, is) in [(4, (4, false)), (3, (0, true)), (4, (4, false))] {
        dispatch.bound(WaitBounds { images_listed, ..WaitBounds::default() });
        assert_eq!(listed(dispatch), is);
    }
}
